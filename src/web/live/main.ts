/** The live page at `/`. */
import './page.css';
