//! The times that other programs write, and read more leniently than we do.

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::Offset;
use regex::{Captures, Regex};

use super::text::{Text, trim};

/// How far the clock on the wall is ahead of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UtcOffset(i32);

impl UtcOffset {
    /// An offset in seconds, positive to the east; more than a day is cut to one.
    #[must_use]
    pub fn from_seconds(seconds: i32) -> Self {
        const DAY: i32 = 24 * 60 * 60;
        Self(seconds.clamp(-DAY, DAY))
    }

    fn offset(self) -> Option<Offset> {
        Offset::from_seconds(self.0).ok()
    }
}

/// A date or a date with a time as ECMAScript writes them, with the liberties that its engines
/// take: a space for the `T`, and a zone without a colon.
static ISO: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let date = r"(?<year>\d{4})(?:-(?<month>\d\d)(?:-(?<day>\d\d))?)?";
    let time = r"[Tt ](?<hour>\d\d):(?<minute>\d\d)(?::(?<second>\d\d)(?:\.(?<fraction>\d+))?)?";
    let zone = r"(?<zone>[Zz]|[+-]\d\d:?\d\d)";
    Regex::new(&format!("^{date}(?:(?<time>{time}){zone}?)?$")).ok()
});

/// The time that a text is, in milliseconds since the epoch: an ISO date or date-time, or a time of
/// RFC 2822. A date alone is in UTC; a time without a zone is the local one.
pub(super) fn parse_date(text: &Text, local: UtcOffset) -> Option<i64> {
    let text = text.to_string();
    let text = trim(&text);
    match ISO.as_ref()?.captures(text) {
        Some(parts) => iso(&parts, local),
        None => rfc2822(text, local),
    }
}

fn iso(parts: &Captures<'_>, local: UtcOffset) -> Option<i64> {
    let number = |name, default: i16| match parts.name(name) {
        Some(digits) => digits.as_str().parse().ok(),
        None => Some(default),
    };
    let small = |name, default| i8::try_from(number(name, default)?).ok();
    let date = Date::new(number("year", 0)?, small("month", 1)?, small("day", 1)?).ok()?;
    let (hour, minute, second) = (small("hour", 0)?, small("minute", 0)?, small("second", 0)?);
    let time = Time::new(hour, minute, second, nanoseconds(parts)).ok()?;
    let offset = match parts.name("zone") {
        Some(zone) => zone_offset(zone.as_str())?,
        None if parts.name("hour").is_some() => local.offset()?,
        None => Offset::UTC,
    };
    let time = offset.to_timestamp(DateTime::from_parts(date, time)).ok()?;
    Some(time.as_millisecond())
}

/// Milliseconds; the digits after them are cut off.
fn nanoseconds(parts: &Captures<'_>) -> i32 {
    let digits = parts.name("fraction").map_or("", |digits| digits.as_str());
    let millis = digits.bytes().chain(std::iter::repeat(b'0')).take(3);
    millis.fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0')) * 1_000_000
}

/// `Z`, `+hh:mm` or `+hhmm`.
fn zone_offset(zone: &str) -> Option<Offset> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(Offset::UTC);
    }
    let (sign, digits) = zone.split_at(1);
    let digits: i32 = digits.replace(':', "").parse().ok()?;
    let seconds = (digits / 100 * 60 + digits % 100) * 60;
    Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()
}

/// The day of the week is not compared with the date, and a zone may be missing.
fn rfc2822(text: &str, local: UtcOffset) -> Option<i64> {
    let parser = DateTimeParser::new().relaxed_weekday(true);
    if let Ok(time) = parser.parse_timestamp(text) {
        return Some(time.as_millisecond());
    }
    let in_utc = parser.parse_timestamp(format!("{text} +0000")).ok()?;
    Some(in_utc.as_millisecond() - i64::from(local.0) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: UtcOffset = UtcOffset(-2 * 60 * 60);

    fn utc(text: &str) -> Option<String> {
        let millis = parse_date(&text.into(), LOCAL)?;
        Some(crate::Timestamp::from_millis(millis).to_string())
    }

    #[test]
    fn a_text_with_a_zone_is_the_same_everywhere() {
        for text in [
            "2026-06-05T08:00:00.120Z",
            "2026-06-05T10:00:00.1209+02:00",
            "2026-06-05 06:30:00.12-0130",
            " 2026-06-05t08:00:00.12z\n",
        ] {
            assert_eq!(
                utc(text).as_deref(),
                Some("2026-06-05T08:00:00.120Z"),
                "{text}"
            );
        }
        for text in [
            "Fri, 05 Jun 2026 08:00:00 GMT",
            "Mon, 5 Jun 2026 10:00 +0200",
            "05 Jun 2026 08:00:00 +0000",
            "2026-06-05T08:00Z",
        ] {
            assert_eq!(
                utc(text).as_deref(),
                Some("2026-06-05T08:00:00.000Z"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_time_without_a_zone_is_local_and_a_date_is_not() {
        for text in [
            "2026-06-05T08:00",
            "2026-06-05 08:00:00",
            "Fri, 05 Jun 2026 08:00:00",
        ] {
            assert_eq!(
                utc(text).as_deref(),
                Some("2026-06-05T10:00:00.000Z"),
                "{text}"
            );
        }
        for (text, date) in [
            ("2026", "01-01"),
            ("2026-06", "06-01"),
            ("2026-06-05", "06-05"),
        ] {
            assert_eq!(
                utc(text),
                Some(format!("2026-{date}T00:00:00.000Z")),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "x",
            "not a date",
            "2026-13-01",
            "2026-06-05T25:00:00Z",
            "2026-06-05T08:60Z",
            "20260605T080000Z",
            "2026-06-05T08:00:00+99:99",
            "2026-06-05Z",
            "Fri, 35 Jun 2026 08:00",
            "2026-06-05T08:00:00Z[UTC]",
            "\u{0662}026-06-05",
        ] {
            assert_eq!(utc(text), None, "{text}");
        }
    }
}
