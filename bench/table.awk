# bench/table.awk -- prints the samples of bench/run as one table in Markdown.
#
# A line of input is a name (in the order of the rows), a name and its number of system calls, or a
# sample: name, processor time, wall time, page faults, peak in MiB. Rows are grouped by workload and
# size. Each number is the median of its samples; the spread is half the distance between the
# quartiles. The time is processor time; for ring_threads, whose threads wait for each other, it is
# wall time.

NF == 1 { add_row($1) }
NF == 2 { calls[$1] = $2 }
NF == 5 {
    times[$1] = times[$1] " " ($1 ~ /^ring_threads/ ? $3 : $2)
    faults[$1] = faults[$1] " " $4
    peaks[$1] = peaks[$1] " " $5
    if ($1 !~ /^(ring_threads|read_write)/) waiting = waiting " " 100 * ($3 / $2 - 1)
}

END {
    print_row("workload", "contender", "time", "ratio", "spread", "faults", "peak MiB",
              "calls")
    print_rule()
    for (g = 1; g <= group_count; g++) {
        count = split(rows[groups[g]], names, " ")
        for (i = 1; i <= count; i++) if (names[i] in times) print_sample_row(names[i], groups[g])
    }
    printf "\nWall time was above processor time by %.0f %% (median of the samples).\n",
           median(waiting)
}

function add_row(name,    part, group) {
    split(name, part, "/")
    group = part[1] "/" part[3]
    if (!(group in rows)) groups[++group_count] = group
    rows[group] = rows[group] " " name
    if (part[2] == "holdfast") holdfast[group] = name
}

function print_sample_row(name, group,    part, time, spread, ratio) {
    split(name, part, "/")
    time = median(times[name])
    spread = (quantile(times[name], 3 / 4) - quantile(times[name], 1 / 4)) / 2
    ratio = holdfast[group] in times ? time / median(times[holdfast[group]]) : 0
    print_row(part[1] (part[3] ? " " part[3] (part[1] ~ /^space_/ ? "" : " B") : ""), part[2],
              three_digits(time) " " unit(part[1]),
              ratio ? sprintf("%.2f", ratio) : "-",
              sprintf("%.0f %%", 100 * spread / time),
              sprintf("%.0f", median(faults[name])),
              sprintf("%.1f", median(peaks[name])),
              name in calls ? calls[name] : "-")
}

function unit(workload) {
    if (workload ~ /^(snapshot|read_only|read_write|spike_.*|small|space_release_run)$/) return "us"
    return workload ~ /^(warm|warm_registers|fresh|many|ring|space_.*)$/ ? "ns" : "ms"
}

function three_digits(value) {
    return sprintf(value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value)
}

function print_row(workload, contender, time, ratio, spread, faults_, peak, calls_) {
    printf "| %-20s | %-26s | %8s | %5s | %6s | %7s | %8s | %5s |\n",
           workload, contender, time, ratio, spread, faults_, peak, calls_
}

function print_rule(    line) {
    line = sprintf("|%22s|%28s|%9s:|%6s:|%7s:|%8s:|%9s:|%6s:|", "", "", "", "", "", "", "", "")
    gsub(/ /, "-", line)
    print line
}

function median(list) { return quantile(list, 1 / 2) }

# The quantile of the numbers in a string, interpolated between neighbours.
function quantile(list, share,    count, sorted, i, j, value, position) {
    count = split(list, sorted, " ")
    for (i = 2; i <= count; i++) {
        value = sorted[i] + 0
        for (j = i - 1; j > 0 && sorted[j] + 0 > value; j--) sorted[j + 1] = sorted[j]
        sorted[j + 1] = value
    }
    position = 1 + (count - 1) * share
    i = int(position)
    return i == count ? sorted[i] + 0 : sorted[i] + (position - i) * (sorted[i + 1] - sorted[i])
}
