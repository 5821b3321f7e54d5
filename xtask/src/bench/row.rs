//! A measured line: a time, the time of its peer, and the goal beside them.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Failure;

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// What it is compared with.
    pub(crate) peer: String,
    /// What both make durable.
    pub(crate) durability: String,
    /// Median in microseconds; absent for a count.
    pub(crate) median_us: Option<f64>,
    /// The peer's median in microseconds.
    pub(crate) peer_us: Option<f64>,
    /// The figure the goal speaks of.
    pub(crate) figure: f64,
    /// What that figure is.
    pub(crate) unit: Unit,
    /// What it ought to be; absent where only the figure is of interest.
    pub(crate) goal: Option<&'static str>,
}

/// The meaning of a figure.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Our time over the peer's: less is better.
    TimesThePeer,
    /// The peer's time over ours: more is better.
    SpeedOfThePeer,
    /// A number of things.
    Count,
}

/// Times of two programs, measured in turns.
#[derive(Debug, Default)]
pub(crate) struct Pair {
    ours: Vec<Duration>,
    peers: Vec<Duration>,
}

impl Pair {
    /// Times that other programs measured.
    pub(crate) fn of(ours: Vec<Duration>, peers: Vec<Duration>) -> Self {
        Self { ours, peers }
    }

    /// Measures both `rounds` times; who comes first changes from round to round.
    pub(crate) fn measure(
        rounds: usize,
        mut ours: impl FnMut() -> Result<Duration, Failure>,
        mut peer: impl FnMut() -> Result<Duration, Failure>,
    ) -> Result<Self, Failure> {
        let mut pair = Self::default();
        for round in 0..rounds {
            if round % 2 == 0 {
                pair.ours.push(ours()?);
                pair.peers.push(peer()?);
            } else {
                pair.peers.push(peer()?);
                pair.ours.push(ours()?);
            }
        }
        Ok(pair)
    }

    /// The line of these times.
    pub(crate) fn row(
        &mut self,
        [what, peer, durability]: [&str; 3],
        unit: Unit,
        goal: Option<&'static str>,
    ) -> Row {
        let (ours, peers) = (median(&mut self.ours), median(&mut self.peers));
        Row {
            what: what.to_owned(),
            peer: peer.to_owned(),
            durability: durability.to_owned(),
            median_us: Some(ours),
            peer_us: Some(peers),
            figure: match unit {
                Unit::SpeedOfThePeer => peers / ours,
                Unit::TimesThePeer | Unit::Count => ours / peers,
            },
            unit,
            goal,
        }
    }
}

impl Row {
    /// A line with nothing but a number.
    pub(crate) fn count(what: impl Into<String>, figure: usize) -> Self {
        Self {
            what: what.into(),
            peer: "-".to_owned(),
            durability: "-".to_owned(),
            median_us: None,
            peer_us: None,
            figure: u32::try_from(figure).map_or(f64::INFINITY, f64::from),
            unit: Unit::Count,
            goal: None,
        }
    }

    fn cells(&self) -> [String; 7] {
        let figure = match self.unit {
            Unit::TimesThePeer => format!("{:.2}x time", self.figure),
            Unit::SpeedOfThePeer => format!("{:.2}x speed", self.figure),
            Unit::Count => format!("{}", self.figure),
        };
        [
            self.what.clone(),
            self.peer.clone(),
            self.durability.clone(),
            time(self.median_us),
            time(self.peer_us),
            figure,
            self.goal.unwrap_or("-").to_owned(),
        ]
    }
}

/// The time of one piece of work.
pub(crate) fn timed<E: std::fmt::Display>(
    work: impl FnOnce() -> Result<(), E>,
) -> Result<Duration, Failure> {
    let start = Instant::now();
    work().map_err(|why| why.to_string())?;
    Ok(start.elapsed())
}

/// The mean time of work that is too short to be timed alone.
pub(crate) fn repeated<E: std::fmt::Display>(
    times: u32,
    work: impl Fn() -> Result<(), E>,
) -> Result<Duration, Failure> {
    let all = timed(|| (0..times).try_for_each(|_| work()))?;
    Ok(all / times)
}

/// The median in microseconds.
fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let middle = times.len() / 2;
    let micros = |at: usize| times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    if times.len() % 2 == 1 {
        micros(middle)
    } else {
        f64::midpoint(micros(middle.saturating_sub(1)), micros(middle))
    }
}

fn time(micros: Option<f64>) -> String {
    match micros {
        None => "-".to_owned(),
        Some(micros) if micros < 10_000.0 => format!("{micros:.0} us"),
        Some(micros) => format!("{:.1} ms", micros / 1e3),
    }
}

/// The lines as text for a terminal.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = [
        "what",
        "peer",
        "durability",
        "median",
        "peer's",
        "figure",
        "goal",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    let widths: [usize; 7] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = std::iter::zip(line, widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_times_lies_between_the_two_in_the_middle() {
        let micros = |values: &[u64]| values.iter().map(|v| Duration::from_micros(*v)).collect();
        let mut odd: Vec<Duration> = micros(&[9, 1, 5]);
        let mut even: Vec<Duration> = micros(&[8, 2, 4, 100]);
        assert!((median(&mut odd) - 5.0).abs() < 1e-9);
        assert!((median(&mut even) - 6.0).abs() < 1e-9);
    }

    #[test]
    fn time_and_speed_are_the_inverse_of_each_other() {
        let mut pair = Pair {
            ours: vec![Duration::from_millis(2)],
            peers: vec![Duration::from_millis(1)],
        };
        let names = ["a", "b", "none"];
        assert!((pair.row(names, Unit::TimesThePeer, None).figure - 2.0).abs() < 1e-9);
        assert!((pair.row(names, Unit::SpeedOfThePeer, None).figure - 0.5).abs() < 1e-9);
    }
}
