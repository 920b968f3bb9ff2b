/** Browsers and programs by the headers that they really send. */
import { expect, test } from 'vitest';
import { isShownByBrowser } from '../../../../src/server/endpoints/data/browsers.js';

const CHROME =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0';
const SAFARI =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15';
const IN_CHROME = 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8';
const IN_SAFARI =
  'image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5';
const DOCUMENT = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
const ANY = '*/*';

type Headers = readonly [userAgent: string, accept: string, destination?: string];

const judge = ([userAgent, accept, destination = '']: Headers) => {
  const headers: Record<string, string> = { 'user-agent': userAgent, accept, 'sec-fetch-dest': destination };
  return isShownByBrowser((name) => headers[name] ?? '');
};

test.for<[who: string, ...Headers]>([
  ['Chrome, <img>', CHROME, IN_CHROME, 'image'],
  ['Chrome, <img> of http://192.168.1.5', CHROME, IN_CHROME],
  ['Chrome, a tab', CHROME, `${DOCUMENT},image/avif,image/webp,image/apng`, 'document'],
  ['Chrome, a tab of http://192.168.1.5', CHROME, `${DOCUMENT},image/avif,image/webp,image/apng`],
  [
    'Firefox, <img>',
    FIREFOX,
    'image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5',
    'image',
  ],
  ['Firefox 115, <img> of http://192.168.1.5', FIREFOX, 'image/avif,image/webp,*/*'],
  ['Firefox, an <iframe>', FIREFOX, DOCUMENT, 'iframe'],
  ['Firefox, a tab of http://192.168.1.5', FIREFOX, DOCUMENT],
  ['Safari, <img>', SAFARI, IN_SAFARI, 'image'],
  ['Safari 15, <img>', SAFARI, 'image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5'],
  ['Safari, a tab of http://192.168.1.5', SAFARI, DOCUMENT],
])('a browser: %s', ([, ...headers]) => {
  expect(judge(headers)).toBe(true);
});

test.for<[who: string, ...Headers]>([
  ['curl', 'curl/8.16.0', ANY],
  ['curl with Accept: image/jpeg', 'curl/8.16.0', 'image/jpeg'],
  ['Java 17', 'Java/17.0.16', 'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2'],
  ['Java 21', 'Java/21.0.8', 'text/html, image/gif, image/jpeg, */*; q=0.2'],
  ['Python requests', 'python-requests/2.32.5', ANY],
  ['Python requests with Accept: image/*', 'python-requests/2.32.5', 'image/*'],
  ['a program that calls itself a browser, for JPEGs', 'Mozilla/5.0', 'image/jpeg'],
  ['PowerShell', 'Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.26100.1', ''],
  ['Go', 'Go-http-client/1.1', ''],
  ['ffmpeg and OpenCV', 'Lavf/61.7.100', ANY],
  ['Android, without a browser', 'Dalvik/2.1.0 (Linux; U; Android 15; Pixel 9)', ''],
  ['VLC', 'VLC/3.0.21 LibVLC/3.0.21', ''],
  ['no headers at all', '', ''],
  ['fetch of a page', CHROME, ANY, 'empty'],
  ['fetch of a page, with Accept: image/*', CHROME, 'image/*', 'empty'],
  ['fetch of Node', 'node', ANY],
])('a program: %s', ([, ...headers]) => {
  expect(judge(headers)).toBe(false);
});
