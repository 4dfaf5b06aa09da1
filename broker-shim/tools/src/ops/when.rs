//! Points in time and lengths of time, as they are typed: `2026-11-24T12:00:00.000`, `P1DT2H`; and printed.
//!
//! # Not here
//!
//! The clock: who asks passes `now`.

use std::fmt;

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

/// Milliseconds since 1970 of `YYYY-MM-DDTHH:mm:SS[.sss][Z|+hh[:mm]|-hh[:mm]]`; without a zone it is UTC.
///
/// # Errors
///
/// What is wrong, as a sentence.
pub(crate) fn date_time(text: &str) -> Result<i64, String> {
    let wrong = || {
        format!(
            "'{text}' is no time of the form YYYY-MM-DDTHH:mm:SS.sss, with Z or +hh:mm behind it if not UTC"
        )
    };
    let (date, time) = text.split_once('T').ok_or_else(wrong)?;
    let (time, zone) = match time.find(['Z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, "Z"),
    };
    parts(date, time, zone).ok_or_else(wrong)
}

fn parts(date: &str, time: &str, zone: &str) -> Option<i64> {
    let [year, month, day] = numbers(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':')?;
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = usize::try_from(month.checked_sub(1)?).ok().and_then(|month| lengths.get(month).copied())?;
    let in_range =
        (1..=length).contains(&day) && hour < 24 && minute < 60 && second < 60 && (1..10_000).contains(&year);
    if !in_range || fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let of_day = hour * HOUR + minute * MINUTE + second * 1000 + millis;
    Some(days(year, month, day) * DAY + of_day - self::zone(zone)?)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut numbers = text
        .split(separator)
        .map(|part| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<i64>().ok()).flatten());
    let found = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(found)
}

/// `Z`, `+hh`, `+hhmm` or `+hh:mm` in milliseconds.
fn zone(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits = rest.replace(':', "");
    let number = |text: &str| text.parse::<i64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let (hours, minutes) = match digits.len() {
        2 => (number(&digits)?, 0),
        4 => (number(digits.get(..2)?)?, number(digits.get(2..)?)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * HOUR + minutes * MINUTE))
}

const fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have the leap day at their end.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

/// Milliseconds of an ISO 8601 duration of days and less: `P1D`, `PT1H30M`, `PT0.5S`, as Java reads them.
///
/// # Errors
///
/// What is wrong, as a sentence.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    iso_duration(text)
        .ok_or_else(|| format!("'{text}' is no length of time of the form PnDTnHnMnS, e.g. P1D or PT2H30M"))
}

fn iso_duration(text: &str) -> Option<i64> {
    let upper = text.trim().to_ascii_uppercase();
    let (sign, rest) = match upper.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, upper.strip_prefix('+').unwrap_or(&upper)),
    };
    let rest = rest.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let mut total = 0_i64;
    for (mut part, units) in [(date, &[('D', DAY)][..]), (time, &[('H', HOUR), ('M', MINUTE), ('S', 1000)])] {
        for (unit, millis) in units {
            if let Some((number, rest)) = part.split_once(*unit) {
                total = total.checked_add(amount(number, *unit == 'S')?.checked_mul(*millis)? / 1000)?;
                part = rest;
            }
        }
        if !part.is_empty() {
            return None;
        }
    }
    Some(sign * total)
}

/// A number in thousandths; only seconds may have a fraction.
fn amount(text: &str, fraction: bool) -> Option<i64> {
    let (whole, rest) = match text.split_once('.') {
        Some((whole, rest)) if fraction => (whole, rest),
        Some(_) => return None,
        None => (text, ""),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let negative = whole.starts_with('-');
    if whole.trim_start_matches(['-', '+']).is_empty()
        || !digits(whole.trim_start_matches(['-', '+']))
        || !digits(rest)
    {
        return None;
    }
    let thousandths: i64 = format!("{rest:0<3}").get(..3)?.parse().ok()?;
    let whole: i64 = whole.trim_start_matches('+').parse().ok()?;
    whole.checked_mul(1000)?.checked_add(if negative { -thousandths } else { thousandths })
}

/// A point in time by its parts, in UTC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Moment {
    year: i64,
    month: i64,
    day: i64,
    /// Milliseconds of the day.
    rest: i64,
}

impl Moment {
    /// Of milliseconds since 1970.
    pub(crate) fn of(millis: i64) -> Self {
        let (count, rest) = (millis.div_euclid(DAY) + 719_468, millis.rem_euclid(DAY));
        let era = count.div_euclid(146_097);
        let of_era = count.rem_euclid(146_097);
        let of_year_400 = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * of_year_400 + of_year_400 / 4 - of_year_400 / 100);
        let march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march + 2) / 5 + 1;
        let month = if march < 10 { march + 3 } else { march - 9 };
        let year = of_year_400 + era * 400 + i64::from(month <= 2);
        Self { year, month, day, rest }
    }

    /// By a pattern of Java's `SimpleDateFormat`, as far as it consists of `yyyy MM dd HH mm ss SSS` and what stands between.
    pub(crate) fn format(&self, pattern: &str) -> String {
        let mut out = String::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            let mut width = 1;
            while chars.next_if_eq(&c).is_some() {
                width += 1;
            }
            let number = match c {
                'y' => self.year,
                'M' => self.month,
                'd' => self.day,
                'H' => self.rest / HOUR,
                'm' => self.rest / MINUTE % 60,
                's' => self.rest / 1000 % 60,
                'S' => self.rest % 1000,
                other => {
                    out.extend(std::iter::repeat_n(other, width));
                    continue;
                }
            };
            out.push_str(&format!("{number:0width$}"));
        }
        out
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("yyyy-MM-dd HH:mm:ss"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Moment, date_time, duration};

    #[test]
    fn times_are_utc_unless_they_say_otherwise() {
        assert_eq!(date_time("1970-01-01T00:00:00.000"), Ok(0));
        assert_eq!(date_time("2026-11-24T12:00:00.250Z"), Ok(1_795_521_600_250));
        assert_eq!(date_time("2026-11-24T12:00:00.25"), Ok(1_795_521_600_250));
        assert_eq!(date_time("2026-11-24T12:00:00.000+01:00"), Ok(1_795_518_000_000));
        assert_eq!(date_time("2026-11-24T12:00:00.000-0130"), Ok(1_795_527_000_000));
        assert_eq!(date_time("2024-02-29T00:00:00"), Ok(1_709_164_800_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2026-11-24",
            "2026-13-01T00:00:00",
            "2023-02-29T00:00:00",
            "2026-11-24T24:00:00",
            "2026-11-24T12:00:00.000+1",
        ] {
            assert!(date_time(text).unwrap_err().contains("YYYY-MM-DDTHH:mm:SS.sss"), "{text}");
        }
    }

    #[test]
    fn durations_are_javas() {
        assert_eq!(duration("P1D"), Ok(86_400_000));
        assert_eq!(duration("PT1H30M"), Ok(5_400_000));
        assert_eq!(duration("p1dt0.5s"), Ok(86_400_500));
        assert_eq!(duration("-PT1S"), Ok(-1000));
        for text in ["", "P", "PT", "1D", "P1M", "PT1D", "P1H", "PTxS", "P1.5D"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_printed_by_a_pattern_of_java() {
        let moment = Moment::of(1_795_521_600_250);
        assert_eq!(moment.format("yyyy-MM-dd HH:mm:ss:SSS"), "2026-11-24 12:00:00:250");
        assert_eq!(Moment::of(-1).to_string(), "1969-12-31 23:59:59");
        assert_eq!(Moment::of(1_709_164_800_000).format("dd/MM/yyyy"), "29/02/2024");
    }
}
