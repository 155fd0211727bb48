//! Parses lengths of time given as arguments: `90d`, `36h`, `5m`.

use std::time::Duration;

/// `90d`, `36h`, `5m`, `30s`, `2w`; a bare 0 is no time at all. Refuses numbers without a unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let right = || format!("`{text}` is not a length of time; give a number and s, m, h, d or w, such as 90d");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let split = text.find(|character: char| !character.is_ascii_digit()).ok_or_else(right)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(right()),
    };
    let number: u64 = number.parse().map_err(|_| right())?;
    // A century is more than any file's age, and far from every overflow.
    number.checked_mul(seconds).filter(|&all| all <= 36_525 * 86_400).map(Duration::from_secs).ok_or_else(right)
}

/// A length of time for which a number alone means seconds, as the setting does.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let is_bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    duration(&if is_bare { format!("{text}s") } else { text.to_owned() })
}

/// A length of time in whole days.
pub(super) fn days(text: &str) -> Result<u32, String> {
    let seconds = duration(text)?.as_secs();
    match u32::try_from(seconds / 86_400) {
        Ok(days) if seconds % 86_400 == 0 && days > 0 => Ok(days),
        _ => Err(format!("`{text}` is not a number of days; give one day or more, such as 90d or 12w")),
    }
}
