use std::io::{self, Write};

use super::{Latency, Phase, Report, megabytes};
use crate::watch::Reading;

pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} of {}   (seed {})", report.scenario, report.url, report.seed)?;
    for phase in &report.phases {
        write_phase(phase, out)?;
    }
    write_readings(&report.before, &report.after, out)?;
    if !report.checks.is_empty() {
        writeln!(out, "\nlimits")?;
    }
    for check in &report.checks {
        let verdict = if check.kept { "kept  " } else { "BROKEN" };
        writeln!(out, "  {verdict}  {:<34} {:>12}   {}", check.what, check.found, check.limit)?;
    }
    Ok(())
}

fn write_phase(phase: &Phase, out: &mut impl Write) -> io::Result<()> {
    let Phase { name, requests, seconds, answers_per_second, megabytes_per_second, left, .. } = phase;
    writeln!(
        out,
        "\n{name}: {requests} requests in {seconds:.2} s, {answers_per_second:.0} answers and {megabytes_per_second:.1} MB a second"
    )?;
    write_latency("all answers", phase.answered, phase.latency, out)?;
    for (status, answers) in &phase.statuses {
        write_latency(&format!("status {status}"), answers.count, answers.latency, out)?;
    }
    if left.all() > 0 {
        let [before, within, trickled, timed_out] = [left.before, left.within, left.trickled, left.timed_out];
        writeln!(
            out,
            "  left         {before} before the answer, {within} in the body, {trickled} after a trickle, {timed_out} out of time"
        )?;
    }
    for (reason, count) in &phase.failures {
        writeln!(out, "  FAILED       {count}: {reason}")?;
    }
    if phase.unguided > 0 {
        writeln!(out, "  503 without Retry-After: {}", phase.unguided)?;
    }
    if phase.tool_late_ms > 5.0 {
        writeln!(out, "  this tool was up to {:.1} ms late", phase.tool_late_ms)?;
    }
    let peak = phase.server.peak_resident_bytes.map(|bytes| format!("{:.1} MB at the peak", megabytes(bytes)));
    let cpu = phase.server.cpu_seconds.map(|cpu| format!("{:.2} cores busy", cpu / phase.seconds));
    let each = phase.server.cpu_micros_per_answer.map(|micros| format!("{micros:.1} us of CPU an answer"));
    let settled = phase.settled.as_ref().and_then(|reading| reading.resident_bytes);
    let settled = settled.map(|bytes| format!("{:.1} MB at rest", megabytes(bytes)));
    let told: Vec<_> = [peak, cpu, each, settled].into_iter().flatten().collect();
    if !told.is_empty() {
        writeln!(out, "  server       {}", told.join(", "))?;
    }
    Ok(())
}

fn write_latency(name: &str, count: u64, latency: Latency, out: &mut impl Write) -> io::Result<()> {
    let Latency { mean_ms, p50_ms, p90_ms, p99_ms, p999_ms, max_ms } = latency;
    writeln!(
        out,
        "  {name:<12} {count:>8}   ms: mean {mean_ms:.2}  p50 {p50_ms:.2}  p90 {p90_ms:.2}  p99 {p99_ms:.2}  p99.9 {p999_ms:.2}  max {max_ms:.2}"
    )
}

fn write_readings(before: &Reading, after: &Reading, out: &mut impl Write) -> io::Result<()> {
    if *after == Reading::default() {
        return Ok(());
    }
    writeln!(out, "\n  {:<34} {:>12} {:>12}", "the server", "before", "after")?;
    for (name, before, after) in rows(before, after) {
        writeln!(out, "  {name:<34} {before:>12} {after:>12}")?;
    }
    Ok(())
}

/// What is held before and after, as rows of a table.
pub(super) fn rows(before: &Reading, after: &Reading) -> Vec<(String, String, String)> {
    type Figure = (&'static str, fn(&Reading) -> Option<String>);
    let figures: [Figure; 9] = [
        ("resident memory, MB", |reading| reading.resident_bytes.map(|bytes| format!("{:.1}", megabytes(bytes)))),
        ("of these in the cache, MB", |reading| reading.cached_bytes.map(|bytes| format!("{:.1}", megabytes(bytes)))),
        ("tasks", |reading| reading.tasks.map(|count| count.to_string())),
        ("threads", |reading| reading.threads.map(|count| count.to_string())),
        ("descriptors", |reading| reading.descriptors.map(|count| count.to_string())),
        ("requests", |reading| reading.requests.map(|count| count.to_string())),
        ("flights", |reading| reading.flights.map(|count| count.to_string())),
        ("results to be stored", |reading| reading.store_back.map(|count| count.to_string())),
        ("gates with permits held", |reading| reading.flights.map(|_| reading.permits.len().to_string())),
    ];
    let told = figures.into_iter().filter_map(|(name, figure)| Some((name, figure(before)?, figure(after)?)));
    let mut rows: Vec<_> = told.map(|(name, before, after)| (name.to_owned(), before, after)).collect();
    for (gate, held) in &after.permits {
        let before = before.permits.get(gate).copied().unwrap_or_default();
        rows.push((format!("permits of {gate}"), before.to_string(), held.to_string()));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_that_are_left_are_named() {
        let after = Reading { permits: [("storage: reads".to_owned(), 2)].into(), ..Reading::default() };
        let rows = rows(&Reading::default(), &after);
        assert_eq!(rows, [("permits of storage: reads".to_owned(), "0".to_owned(), "2".to_owned())]);
    }
}
