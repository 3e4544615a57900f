// words.js FILE -- counts the words of a source in two worker threads, and compresses the result;
// then the same in this thread, through JSON.
'use strict';
const { createHash } = require('crypto');
const { readFileSync } = require('fs');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { brotliCompressSync, constants, deflateSync } = require('zlib');

function countWords(text) {
    const lines = new Map();
    text.split('\n').forEach((line, number) => {
        for (const [word] of line.matchAll(/[A-Za-z_]\w*/g)) {
            if (!lines.has(word)) lines.set(word, []);
            lines.get(word).push(number);
        }
    });
    return [...lines].sort(([a], [b]) => (a < b ? -1 : 1));
}

function hash(bytes) { return createHash('sha256').update(bytes).digest('hex'); }

function compress(words) {
    const text = Buffer.from(JSON.stringify(words));
    const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } };
    return [text, deflateSync(text), brotliCompressSync(text, quality)].map(hash);
}

function inWorker(text) {
    return new Promise((resolve, reject) => {
        const worker = new Worker(__filename, { workerData: text });
        worker.on('message', resolve).on('error', reject);
    });
}

async function main() {
    const text = readFileSync(process.argv[2], 'latin1');
    const half = text.length / 2;
    const halves = [text.slice(0, half), text.slice(half)];
    console.log(await Promise.all(halves.map(inWorker)));
    const words = JSON.parse(JSON.stringify(countWords(text)));
    for (const [word, lines] of words) console.log(word, lines.length);
    console.log(compress(words));
}

if (isMainThread) main();
else parentPort.postMessage(compress(countWords(workerData)));
