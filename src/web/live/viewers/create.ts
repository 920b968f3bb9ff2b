/** The viewers by their names. */
import { HexViewer } from './hex.js';
import { ImageViewer } from './image.js';
import { PlotViewer } from './plot.js';
import { TextViewer } from './text.js';
import type { Stage, Viewer, ViewerKind } from './viewer.js';

/** @param name the stream's, for who does not see its pictures */
export function createViewer(kind: ViewerKind, name: string, stage: Stage): Viewer {
  switch (kind) {
    case 'image':
      return new ImageViewer(name);
    case 'plot':
      return new PlotViewer(stage);
    case 'text':
      return new TextViewer();
    case 'hex':
      return new HexViewer();
  }
}
