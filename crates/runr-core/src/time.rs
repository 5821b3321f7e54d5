//! Points in time as they stand in files: RFC 3339, UTC, milliseconds, `Z`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time with millisecond precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch; values outside the years 0 to 9999 are clamped.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        const YEAR_0: i64 = -62_167_219_200_000;
        // 30 December 9999: the last days of that year are beyond the calendar's range.
        const LAST: i64 = 253_402_128_000_000;
        Self(millis.clamp(YEAR_0, LAST))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time `duration` later, clamped to the year 9999.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// How long ago `earlier` was; zero when the clock went backwards.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `YYYY-MM-DDThh:mm:ssZ`, the fraction cut off: the form of `meta.json`.
    #[must_use]
    pub fn to_seconds_string(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%SZ")
    }

    /// `YYYYMMDDhhmmss`: the form of a run id.
    #[must_use]
    pub fn to_compact_string(self) -> String {
        self.format("%Y%m%d%H%M%S")
    }

    fn format(self, pattern: &str) -> String {
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        time.strftime(pattern).to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("%Y-%m-%dT%H:%M:%S.%3fZ"))
    }
}

/// The text is not an RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time: `{0}`")]
pub struct InvalidTimestamp(String);

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time: jiff::Timestamp = text
            .parse()
            .map_err(|_| InvalidTimestamp(text.to_owned()))?;
        Ok(Self::from_millis(time.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Where the present time comes from; the core never asks the system itself.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present time.
    fn now(&self) -> Timestamp;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_milliseconds_and_reads_itself_back() {
        let time: Timestamp = "2026-02-03T04:05:06.789123Z".parse().unwrap();
        assert_eq!(time.to_string(), "2026-02-03T04:05:06.789Z");
        assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        assert_eq!(time.to_seconds_string(), "2026-02-03T04:05:06Z");
        assert_eq!(time.to_compact_string(), "20260203040506");
    }

    #[test]
    fn the_first_and_the_last_time_can_be_printed_and_read() {
        for (millis, year) in [(i64::MIN, "0000-"), (i64::MAX, "9999-")] {
            let time = Timestamp::from_millis(millis);
            assert!(time.to_string().starts_with(year), "{time}");
            assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        }
    }

    #[test]
    fn an_offset_is_converted_to_utc() {
        let time: Timestamp = "2026-02-03T04:05:06+02:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-02-03T02:05:06.000Z");
    }

    #[test]
    fn a_clock_that_goes_backwards_gives_no_negative_duration() {
        let early = Timestamp::from_millis(1_000);
        let late = Timestamp::from_millis(3_000);
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn text_that_is_no_time_is_refused() {
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert!("2026-02-03T04:05:06".parse::<Timestamp>().is_err());
    }
}
