// table.js -- the table of bench.sh, from the results that `holdfast run --compare --json` prints.
//
//     table.js head               the first two lines
//     table.js row FILE           the line of a program
//     table.js end FILES...       what all lines together say
//
// Processor time and peak memory are medians; the ratios are those of holdfast to another allocator.
'use strict';
const { readFileSync } = require('fs');
const { basename } = require('path');

const TIME = 'processor_time_ns', PEAK = 'peak_bytes';

function read(file) {
    const { agree, steady, allocators, not_measured } = JSON.parse(readFileSync(file, 'utf8'));
    const holdfast = allocators.find(({ name }) => name === 'holdfast');
    if (!holdfast) {
        const left = not_measured.find(({ name }) => name === 'holdfast');
        throw new Error(`${file}: holdfast was not measured: ${left ? left.reason : 'unknown'}`);
    }
    const others = allocators.filter((allocator) => allocator !== holdfast);
    return { name: basename(file, '.json'), agree, steady, holdfast, others };
}

function best(program, quantity) {
    const least = (a, b) => (b[quantity].median < a[quantity].median ? b : a);
    return program.others.reduce(least);
}

function ratio(program, quantity, other) {
    return program.holdfast[quantity].median / other[quantity].median;
}

function percentage({ median, lower_quartile, upper_quartile }) {
    return `${(50 * (upper_quartile - lower_quartile) / median).toFixed(1)} %`;
}

function seconds(ns) {
    return ns < 1e8 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}

function columns(program, quantity, text) {
    const glibc = program.others.find(({ name }) => name === 'glibc');
    const other = best(program, quantity);
    return [text, ratio(program, quantity, glibc).toFixed(2),
        `${ratio(program, quantity, other).toFixed(2)} ${other.name}`];
}

function remark({ agree, steady, holdfast }) {
    if (agree) return 'yes';
    if (!steady) return 'differs from run to run on glibc, too';
    return holdfast.same_output && holdfast.same_exit_status ? 'not of another' : 'NO';
}

function row(file) {
    const program = read(file);
    const time = program.holdfast[TIME], peak = program.holdfast[PEAK];
    const cells = [program.name, ...columns(program, TIME, seconds(time.median)),
        percentage(time), ...columns(program, PEAK, `${(peak.median / 2 ** 20).toFixed(1)} MiB`),
        remark(program)];
    return `| ${cells.join(' | ')} |`;
}

function head() {
    const names = ['program', 'time', '/ glibc', '/ fastest other', '+-', 'peak', '/ glibc',
        '/ smallest other', 'same output'];
    return `| ${names.join(' | ')} |\n|${'---|'.repeat(names.length)}`;
}

// The largest ratio to the best of the others, and in how many programs it is at most 1.
function summary(programs, quantity, most) {
    const ratios = programs.map((program) => ({
        name: program.name, ratio: ratio(program, quantity, best(program, quantity)),
    }));
    const worst = ratios.reduce((a, b) => (b.ratio > a.ratio ? b : a));
    const good = ratios.filter((one) => one.ratio <= most).length;
    return `at most ${most.toFixed(2)} in ${good} of ${ratios.length} programs, ` +
        `at worst ${worst.ratio.toFixed(2)} (${worst.name})`;
}

function end(files) {
    const programs = files.map(read);
    return `\nProcessor time / fastest other: ${summary(programs, TIME, 1)}.\n` +
        `Peak memory / smallest other: ${summary(programs, PEAK, 1.2)}.\n` +
        'Medians of processes that took turns; +- is half of the interquartile range.';
}

const [what, ...files] = process.argv.slice(2);
const tables = { head, row: () => row(files[0]), end: () => end(files) };
try {
    console.log(tables[what]());
} catch (error) {
    console.error(`table.js: ${error.message}`);
    process.exitCode = 1;
}
