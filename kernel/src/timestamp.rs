//! Timestamps in artifacts: RFC 3339 with an offset, read strictly.
//!
//! There is one way to write each part. Lower-case `t` and `z`, which the RFC leaves to each application, are
//! refused here; so are a space for the `T`, a second of 60, and whatever other grammars allow.

use crate::time::Time;
use core::fmt;

/// Why a text is not a timestamp that the protocol takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadTimestamp {
    /// Not laid out as RFC 3339 lays it out.
    Shape,
    /// No offset from UTC: it says a time of day somewhere, not a time.
    NoOffset,
    /// There is no such month, or no such day in that month.
    NoSuchDate,
    /// An hour above 23, a minute or second above 59, of the time or the offset.
    NoSuchTime,
    /// Before 1970 in UTC.
    Before1970,
}

impl fmt::Display for BadTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "it is not written like 2026-04-21T10:00:00Z",
            Self::NoOffset => "it has no offset: end it with Z, or with one like +02:00",
            Self::NoSuchDate => "there is no such date",
            Self::NoSuchTime => "there is no such time of day or offset",
            Self::Before1970 => "it lies before 1970",
        })
    }
}

impl core::error::Error for BadTimestamp {}

const MS_PER_DAY: i64 = 86_400_000;

/// The last time that four digits of a year can say: 9999-12-31T23:59:59.999Z.
pub const LAST: Time = Time(253_402_300_799_999);

/// Reads an RFC 3339 timestamp with an offset. Fractions of a second, of any length, are cut to milliseconds;
/// `-00:00` is UTC.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse(text: &str) -> Result<Time, BadTimestamp> {
    let mut rest = Reader(text.as_bytes());
    let year = rest.number(4)?;
    rest.literal(b'-')?;
    let month = rest.number(2)?;
    rest.literal(b'-')?;
    let day = rest.number(2)?;
    rest.literal(b'T')?;
    let hour = rest.number(2)?;
    rest.literal(b':')?;
    let minute = rest.number(2)?;
    rest.literal(b':')?;
    let second = rest.number(2)?;
    let ms = rest.fraction()?;
    let (sign, offset_hour, offset_minute) = rest.offset()?;

    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return Err(BadTimestamp::NoSuchDate);
    }
    if hour > 23 || minute > 59 || second > 59 || offset_hour > 23 || offset_minute > 59 {
        return Err(BadTimestamp::NoSuchTime);
    }
    let minutes = hour * 60 + minute - sign * (offset_hour * 60 + offset_minute);
    let since_midnight = minutes * 60_000 + second * 1000 + ms;
    let since_1970 = days_since_1970(year, month, day) * MS_PER_DAY + since_midnight;
    u64::try_from(since_1970).map(Time).map_err(|_| BadTimestamp::Before1970)
}

/// What is still to be read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn literal(&mut self, wanted: u8) -> Result<(), BadTimestamp> {
        match self.0.split_first() {
            Some((&first, rest)) if first == wanted => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(BadTimestamp::Shape),
        }
    }

    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize) -> Result<i64, BadTimestamp> {
        let (number, rest) = self.0.split_at_checked(digits).ok_or(BadTimestamp::Shape)?;
        if !number.iter().all(u8::is_ascii_digit) {
            return Err(BadTimestamp::Shape);
        }
        self.0 = rest;
        Ok(number.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
    }

    /// The fraction of a second, if there is one, in whole milliseconds.
    fn fraction(&mut self) -> Result<i64, BadTimestamp> {
        if self.literal(b'.').is_err() {
            return Ok(0);
        }
        let length = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if length == 0 {
            return Err(BadTimestamp::Shape);
        }
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        let first_three = digits.iter().chain(b"00").take(3);
        Ok(first_three.fold(0, |ms, b| ms * 10 + i64::from(b - b'0')))
    }

    /// Sign, hours and minutes of the offset, and nothing after it.
    fn offset(&mut self) -> Result<(i64, i64, i64), BadTimestamp> {
        let (sign, rest) = match self.0 {
            [] => return Err(BadTimestamp::NoOffset),
            [b'Z'] => return Ok((1, 0, 0)),
            [b'+', rest @ ..] => (1, rest),
            [b'-', rest @ ..] => (-1, rest),
            _ => return Err(BadTimestamp::Shape),
        };
        self.0 = rest;
        let hour = self.number(2)?;
        self.literal(b':')?;
        let minute = self.number(2)?;
        if self.0.is_empty() { Ok((sign, hour, minute)) } else { Err(BadTimestamp::Shape) }
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

const DAYS_PER_ERA: i64 = 146_097; // 400 years
const ERA_TO_1970: i64 = 719_468; // days from 0000-03-01

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that the leap
/// day is the last of its year, and the months before any date have a fixed number of days.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - ERA_TO_1970
}

/// The inverse of [`days_since_1970`], for days from 1970 on: year, month, day.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + ERA_TO_1970;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    // Take out the leap days: then all years have 365.
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// Shows a time as RFC 3339 in UTC: `2026-04-21T10:00:00Z`, with `.123` before the `Z` unless it is zero.
///
/// Total: a time after [`LAST`], of which RFC 3339 knows none, is shown as [`LAST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rfc3339(pub Time);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since_1970 = self.0.min(LAST).0.cast_signed();
        let (year, month, day) = date(since_1970 / MS_PER_DAY);
        let (seconds, ms) = (since_1970 % MS_PER_DAY / 1000, since_1970 % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if ms > 0 {
            write!(f, ".{ms:03}")?;
        }
        f.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn a_timestamp_is_read_to_the_millisecond_in_utc() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T01:00:00.001+01:00", 1),
            ("1969-12-31T23:00:00-01:00", 0),
            ("1969-12-31T00:01:00-23:59", 0),
            ("1970-01-01T00:00:00-00:00", 0),
            ("2026-04-21T10:00:00Z", 1_776_765_600_000),
            ("2026-04-21T10:00:00.1Z", 1_776_765_600_100),
            ("2026-04-21T10:00:00.12Z", 1_776_765_600_120),
            ("2026-04-21T10:00:00.123Z", 1_776_765_600_123),
            ("2026-04-21T10:00:00.1239999999999999999999Z", 1_776_765_600_123),
            ("2026-04-21T12:00:00+02:00", 1_776_765_600_000),
            ("2026-04-21T04:30:00-05:30", 1_776_765_600_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
            ("9999-12-31T23:59:59.999Z", LAST.0),
            ("9999-12-31T23:59:59.999-23:59", LAST.0 + 86_340_000),
        ] {
            assert_eq!(parse(text), Ok(Time(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_strict_rfc_3339_is_refused() {
        use BadTimestamp::*;
        for (text, why) in [
            ("", Shape),
            ("2026-04-21", Shape),
            ("2026-04-21T10Z", Shape),
            ("2026-04-21T10:00Z", Shape),
            ("2026-04-21 10:00:00Z", Shape),
            ("2026-04-21t10:00:00Z", Shape),
            ("2026-04-21T10:00:00z", Shape),
            ("2026-04-21T10:00:00Z[UTC]", Shape),
            ("2026-04-21T10:00:00+00:00[UTC]", Shape),
            ("2026-04-21T10:00:00.Z", Shape),
            ("2026-04-21T10:00:00,5Z", Shape),
            ("2026-04-21T10:00:00+0200", Shape),
            ("2026-04-21T10:00:00+02", Shape),
            ("2026-04-21T10:00:00+2:00", Shape),
            ("2026-04-21T10:00:00 Z", Shape),
            (" 2026-04-21T10:00:00Z", Shape),
            ("2026-04-21T10:00:00Z\n", Shape),
            ("20260421T100000Z", Shape),
            ("2026-4-21T10:00:00Z", Shape),
            ("+2026-04-21T10:00:00Z", Shape),
            ("12026-04-21T10:00:00Z", Shape),
            ("2026-W17-2T10:00:00Z", Shape),
            ("２026-04-21T10:00:00Z", Shape),
            ("2026-04-21T10:00:00\u{2212}02:00", Shape),
            ("2026-04-21T10:00:00", NoOffset),
            ("2026-04-21T10:00:00.5", NoOffset),
            ("2026-00-21T10:00:00Z", NoSuchDate),
            ("2026-13-21T10:00:00Z", NoSuchDate),
            ("2026-04-00T10:00:00Z", NoSuchDate),
            ("2026-04-31T10:00:00Z", NoSuchDate),
            ("2026-02-29T10:00:00Z", NoSuchDate),
            ("2100-02-29T10:00:00Z", NoSuchDate),
            ("2026-01-32T10:00:00Z", NoSuchDate),
            ("2026-04-21T24:00:00Z", NoSuchTime),
            ("2026-04-21T10:60:00Z", NoSuchTime),
            ("2016-12-31T23:59:60Z", NoSuchTime),
            ("2026-04-21T10:00:00+24:00", NoSuchTime),
            ("2026-04-21T10:00:00-01:60", NoSuchTime),
            ("1969-12-31T23:59:59.999Z", Before1970),
            ("1970-01-01T00:59:59.999+01:00", Before1970),
            ("0000-01-01T00:00:00Z", Before1970),
            ("0000-02-29T00:00:00+23:59", Before1970),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
            assert!(why.to_string().starts_with("it ") || why.to_string().starts_with("there "));
        }
    }

    #[test]
    fn a_time_is_shown_in_utc_and_one_beyond_all_years_as_the_last() {
        assert_eq!(Rfc3339(Time(0)).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Rfc3339(Time(1_776_765_600_123)).to_string(), "2026-04-21T10:00:00.123Z");
        assert_eq!(Rfc3339(Time(1_776_765_600_007)).to_string(), "2026-04-21T10:00:00.007Z");
        for time in [LAST, Time(LAST.0 + 1), Time::MAX] {
            assert_eq!(Rfc3339(time).to_string(), "9999-12-31T23:59:59.999Z");
        }
    }

    #[test]
    fn every_day_of_the_calendar_is_the_one_after_the_day_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..=LAST.0.cast_signed() / MS_PER_DAY {
            assert_eq!((days_since_1970(year, month, day), date(days)), (days, (year, month, day)));
            day += 1;
            if day > days_in_month(year, month) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(ms in 0..=LAST.0) {
            prop_assert_eq!(parse(&Rfc3339(Time(ms)).to_string()), Ok(Time(ms)));
        }

        #[test]
        fn an_offset_only_moves_the_time(ms in 86_400_000..=LAST.0, hour in 0..24u64, minute in 0..60u64, east: bool) {
            let shown = Rfc3339(Time(ms)).to_string();
            let sign = if east { '+' } else { '-' };
            let moved = format!("{}{sign}{hour:02}:{minute:02}", shown.trim_end_matches('Z'));
            let offset = (hour * 60 + minute) * 60_000;
            let expected = if east { ms - offset } else { ms + offset };
            prop_assert_eq!(parse(&moved), Ok(Time(expected)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}|[0-9TZ:.+-]{0,40}|2026-[0-9]{2}-[0-9]{2}T[0-9:.+Z-]{0,20}") {
            let _ = parse(&text);
        }
    }
}
