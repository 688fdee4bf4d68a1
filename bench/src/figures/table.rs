//! The table of `docs/benchmarks.md`, written from the JSON of a run.

use super::figure::Figure;
use super::report::Report;

const BEGIN: &str = "<!-- figures: written by `cargo xtask bench --docs`, do not edit -->";
const END: &str = "<!-- end of figures -->";

/// Replaces what stands between the two markers of `page` by the report's table.
#[must_use]
pub fn fill(page: &str, report: &Report) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n{END}{after}", table(report)))
}

/// Replaces the rows of the report's figures and keeps the others. `None` without a table of the
/// same machine: rows of two machines are no table.
#[must_use]
pub fn update(page: &str, report: &Report) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (table, after) = rest.split_once(END)?;
    let machine = format!("Measured on: {}", report.machine.line());
    let (machine, _) = machine.split_once(", load before")?;
    if !table.contains(machine) {
        return None;
    }
    let mut lines: Vec<String> = table.lines().map(Into::into).collect();
    for (name, figure) in &report.figures {
        let command = format!("--only {name}` |");
        let line = lines.iter_mut().find(|line| line.ends_with(&command))?;
        *line = row(name, figure, report.quick);
    }
    Some(format!("{before}{BEGIN}{}\n{END}{after}", lines.join("\n")))
}

fn table(report: &Report) -> String {
    let mut text = format!("Measured on: {}. {}\n\n", report.machine.line(), report.run_line());
    text.push_str(
        "| What | Must | Aim | Measured | Reached | Against, in the same run | Command |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|\n");
    for (name, figure) in &report.figures {
        text.push_str(&row(name, figure, report.quick));
        text.push('\n');
    }
    text
}

fn row(name: &str, figure: &Figure, quick: bool) -> String {
    format!(
        "| {} | {} | {} | **{}** | {} | {}: {} | `cargo xtask bench {}--only {name}` |",
        figure.what,
        wanted(figure, figure.must),
        wanted(figure, figure.aim),
        quantity(figure.value, &figure.unit),
        figure.reached(),
        figure.measured_against.name,
        number(figure.measured_against.value),
        if quick { "--quick " } else { "" },
    )
}

/// A figure in a few words.
#[must_use]
pub fn summary(figure: &Figure) -> String {
    format!(
        "{} ({}; {}: {})",
        quantity(figure.value, &figure.unit),
        figure.reached(),
        figure.measured_against.name,
        number(figure.measured_against.value)
    )
}

fn wanted(figure: &Figure, wanted: Option<f64>) -> String {
    wanted.map_or_else(|| "–".into(), |wanted| quantity(wanted, &figure.unit))
}

fn quantity(value: f64, unit: &str) -> String {
    match unit {
        "ratio" => format!("{:.0} %", value * 100.0),
        _ => format!("{} {unit}", number(value)),
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => grouped(value.round() as i64),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn grouped(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let read: Vec<String> = [1234567.8, 999.6, 34.14, 0.654].map(number).into();
        assert_eq!(read, ["1,234,568", "1000", "34.1", "0.65"]);
        assert_eq!(quantity(0.723, "ratio"), "72 %");
    }

    #[test]
    fn only_the_table_is_replaced() {
        let report = Report::empty(std::path::Path::new("/"), true);
        let page = format!("# Top\n{BEGIN}\nold\n{END}\nend\n");
        let filled = fill(&page, &report).unwrap();
        assert!(filled.starts_with("# Top\n") && filled.ends_with("\nend\n"));
        assert!(!filled.contains("old"));
        assert_eq!(fill(&filled, &report).unwrap(), filled);
        assert_eq!(fill("no markers", &report), None);
        assert_eq!(update(&page, &report), None, "a table of no machine");
        assert!(update(&filled, &report).is_some_and(|same| same.trim() == filled.trim()));
    }
}
