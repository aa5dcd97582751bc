use std::fmt::Write;

use super::plot::{Line, plot};
use super::{Phase, Report, Sample, megabytes, text};

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; max-width: 920px; margin: 2em auto; padding: 0 1em; color: #222 }
h1 { font-size: 1.4em } h2 { font-size: 1.1em; margin-top: 2em } code { word-break: break-all }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .2em .8em; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left } .broken { color: #c00; font-weight: bold } .kept { color: #070 }
figure { margin: 1.5em 0 } figcaption { font-weight: 600 } figcaption b { margin-left: .8em }
svg { width: 100%; height: auto } svg text { font-size: 11px; fill: #555 } polyline { fill: none; stroke-width: 1.5 }
.grid { stroke: #e4e4e4 } .mark { stroke: #999; stroke-dasharray: 3 4 }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } .grid { stroke: #333 } svg text { fill: #aaa } }
";

pub(super) fn page(report: &Report) -> String {
    let title = format!("{} of {}", report.scenario, escaped(&report.url));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title><style>{STYLE}</style>\n<h1>{} of <code>{}</code></h1>\n<p>{}, seed {}</p>\n",
        report.scenario,
        escaped(&report.url),
        report.tool,
        report.seed
    );
    page += &checks(report);
    page += &phases(&report.phases);
    page += &readings(report);
    page += &plots(&report.samples, &report.rests);
    page + "</html>\n"
}

fn checks(report: &Report) -> String {
    if report.checks.is_empty() {
        return String::new();
    }
    let mut table = "<h2>Limits</h2>\n<table><tr><th>what<th>found<th>limit<th>".to_owned();
    for check in &report.checks {
        let verdict = if check.kept { "kept" } else { "broken" };
        let _ = write!(
            table,
            "\n<tr><td>{}<td>{}<td>{}<td class=\"{verdict}\">{verdict}",
            escaped(&check.what),
            escaped(&check.found),
            escaped(&check.limit)
        );
    }
    table + "</table>\n"
}

fn phases(phases: &[Phase]) -> String {
    let mut table = "<h2>Answers</h2>\n<table><tr><th>phase<th>status<th>answers<th>a second<th>p50 ms<th>p90<th>p99\
                     <th>p99.9<th>max<th>left<th>failed<th>peak MB<th>CPU us"
        .to_owned();
    for phase in phases {
        let peak = phase.server.peak_resident_bytes.map(|bytes| format!("{:.1}", megabytes(bytes)));
        let cpu = phase.server.cpu_micros_per_answer.map(|micros| format!("{micros:.1}"));
        for (status, answers) in &phase.statuses {
            let latency = answers.latency;
            let _ = write!(
                table,
                "\n<tr><td>{}<td>{status}<td>{}<td>{:.0}<td>{:.2}<td>{:.2}<td>{:.2}<td>{:.2}<td>{:.2}<td>{}<td>{}<td>{}<td>{}",
                escaped(&phase.name),
                answers.count,
                answers.count as f64 / phase.seconds,
                latency.p50_ms,
                latency.p90_ms,
                latency.p99_ms,
                latency.p999_ms,
                latency.max_ms,
                phase.left.all(),
                phase.failed(),
                peak.as_deref().unwrap_or_default(),
                cpu.as_deref().unwrap_or_default(),
            );
        }
    }
    table + "</table>\n"
}

fn readings(report: &Report) -> String {
    let rows = text::rows(&report.before, &report.after);
    if rows.is_empty() {
        return String::new();
    }
    let mut table = "<h2>The server</h2>\n<table><tr><th><th>before<th>after".to_owned();
    for (name, before, after) in rows {
        let _ = write!(table, "\n<tr><td>{}<td>{before}<td>{after}", escaped(&name));
    }
    table + "</table>\n"
}

fn plots(samples: &[Sample], rests: &[f64]) -> String {
    let line = |name, value: fn(&Sample) -> Option<f64>| Line {
        name,
        points: samples.iter().filter_map(|sample| Some((sample.at, value(sample)?))).collect(),
    };
    let memory = [
        line("resident", |sample| sample.server.resident_bytes.map(megabytes)),
        line("in the cache", |sample| sample.server.cached_bytes.map(megabytes)),
    ];
    let latencies = [
        line("p50", |sample| (sample.p99_ms > 0.0).then_some(sample.p50_ms)),
        line("p99", |sample| (sample.p99_ms > 0.0).then_some(sample.p99_ms)),
    ];
    let work = [
        line("tasks", |sample| sample.server.tasks.map(|count| count as f64)),
        line("flights", |sample| sample.server.flights.map(|count| count as f64)),
        line("waiters", |sample| sample.server.waiters.map(|count| count as f64)),
    ];
    let descriptors = [line("descriptors", |sample| sample.server.descriptors.map(|count| count as f64))];
    [
        plot("Memory", "MB", &memory, rests),
        plot("Answers", "a second", &[line("answers", |sample| Some(sample.answers_per_second))], rests),
        plot("Latency", "ms", &latencies, rests),
        plot("Work", "count", &work, rests),
        plot("Open descriptors", "count", &descriptors, rests),
    ]
    .concat()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Reading;

    #[test]
    fn what_comes_from_outside_cannot_become_markup_and_nothing_is_loaded() {
        let report = Report {
            tool: Report::TOOL,
            scenario: "storm",
            url: "http://localhost/<script>\"&".to_owned(),
            seed: 1,
            phases: Vec::new(),
            before: Reading::default(),
            after: Reading::default(),
            checks: Vec::new(),
            rests: Vec::new(),
            samples: Vec::new(),
        };
        let page = page(&report);
        assert!(page.contains("http://localhost/&lt;script&gt;&quot;&amp;"));
        assert!(["<script", "src=", "href=", "@import", "url("].iter().all(|loads| !page.contains(loads)));
    }
}
