//! What a setting may be.

use tollgate_catalog::{Error, ErrorKind};

use super::{Definition, Rule};

fn invalid(definition: &Definition, value: &str) -> Error {
    Error::new(
        ErrorKind::InvalidParameterValue,
        format!("invalid value for parameter \"{}\": \"{value}\"", definition.shown),
    )
}

pub(super) fn check(definition: &Definition, value: &str) -> Result<String, Error> {
    // asyncpg quotes the value of a start-up parameter.
    let lower = value.trim().trim_matches('\'').to_ascii_lowercase();
    match definition.rule {
        Rule::Text => Ok(value.chars().filter(|c| !c.is_control()).take(1024).collect()),
        Rule::OneOf(allowed) => {
            if !allowed.contains(&lower.as_str()) {
                return Err(invalid(definition, value)
                    .with_hint(format!("available values: {}", allowed.join(", "))));
            }
            // Spellings of the one value that holds read as that value.
            let fixed = matches!(
                definition.name,
                "client_encoding" | "standard_conforming_strings" | "jit"
            );
            Ok(if fixed { definition.default.to_owned() } else { lower })
        }
        Rule::Bool => match lower.as_str() {
            "on" | "true" | "yes" | "1" | "t" | "y" => Ok("on".to_owned()),
            "off" | "false" | "no" | "0" | "f" | "n" => Ok("off".to_owned()),
            _ => Err(invalid(definition, value)),
        },
        Rule::Int(low, high) => match lower.parse::<i64>() {
            Ok(number) if (low..=high).contains(&number) => Ok(number.to_string()),
            // Older drivers ask for fewer digits; floats stay exact.
            Ok(_) if definition.name == "extra_float_digits" => Ok(definition.default.to_owned()),
            Ok(_) | Err(_) => Err(invalid(definition, value)),
        },
        Rule::Millis => millis(&lower)
            .map(|millis| millis.to_string())
            .ok_or_else(|| invalid(definition, value)),
        Rule::Zone => {
            if lower == "utc" || lower == "gmt" || lower == "etc/utc" {
                return Ok("UTC".to_owned());
            }
            chrono_tz::TZ_VARIANTS
                .iter()
                .find(|zone| zone.name().eq_ignore_ascii_case(&lower))
                .map(|zone| zone.name().to_owned())
                .ok_or_else(|| {
                    invalid(definition, value).with_hint("use a name such as \"Europe/Berlin\"")
                })
        }
        Rule::Path => Ok(value.trim().to_owned()),
        Rule::DateStyle => {
            let mut order = "MDY";
            for part in lower.split(',').map(str::trim) {
                match part {
                    "iso" | "" => {}
                    "mdy" | "us" | "noneuro" | "noneuropean" => order = "MDY",
                    "dmy" | "euro" | "european" => order = "DMY",
                    "ymd" => order = "YMD",
                    _ => return Err(invalid(definition, value).with_hint("use ISO")),
                }
            }
            Ok(format!("ISO, {order}"))
        }
        Rule::Fixed => Err(Error::new(
            ErrorKind::CantChangeRuntimeParam,
            format!("parameter \"{}\" cannot be changed", definition.shown),
        )),
    }
}

/// A time span in milliseconds: a number, or a number and a unit.
fn millis(text: &str) -> Option<i64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let number: i64 = digits.parse().ok()?;
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor).filter(|millis| *millis <= i64::from(i32::MAX))
}
