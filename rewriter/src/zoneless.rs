//! Texts that become dates and timestamps without a time zone: PostgreSQL ignores a zone in them,
//! the engine would shift the value by it, or refuse the text. A rule of [`crate::finish`].

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_common::tree_node::Transformed;
use datafusion_expr::Expr;
use datafusion_expr::expr::Cast;

/// Cuts the zone off such a literal.
pub(crate) fn literal(expr: Expr) -> Transformed<Expr> {
    let shorter = match &expr {
        Expr::Cast(Cast { expr: inner, field }) => match (inner.as_ref(), field.data_type()) {
            (
                Expr::Literal(ScalarValue::Utf8(Some(text)), _),
                DataType::Date32 | DataType::Timestamp(_, None),
            ) => without_zone(text).map(|text| {
                let literal = Expr::Literal(ScalarValue::Utf8(Some(text.to_owned())), None);
                Expr::Cast(Cast { expr: Box::new(literal), field: field.clone() })
            }),
            _ => None,
        },
        _ => None,
    };
    match shorter {
        Some(expr) => Transformed::yes(expr),
        None => Transformed::no(expr),
    }
}

/// `2024-01-31 12:00:00+02` and `2024-01-31 +02` without their zones; `None` where there is none.
fn without_zone(text: &str) -> Option<&str> {
    let text = text.trim();
    let (day, rest) = text.split_at_checked("2024-01-31".len())?;
    let is_day = day.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if !is_day || !rest.starts_with([' ', 'T']) {
        return None;
    }
    let start = match rest.rfind(['+', '-']) {
        Some(start) => {
            let offset = rest.get(start + 1..)?;
            let is_offset = !offset.is_empty()
                && offset.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
            is_offset.then_some(start)?
        }
        None => {
            rest.len() - rest.chars().next_back().filter(|c| matches!(c, 'z' | 'Z'))?.len_utf8()
        }
    };
    text.get(..day.len() + start).map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::without_zone;

    #[test]
    fn zones_are_cut_off() {
        for (text, expected) in [
            ("2024-01-31 +00", Some("2024-01-31")),
            ("2024-01-31 12:34:56.789+05:30", Some("2024-01-31 12:34:56.789")),
            ("2024-01-31T12:34:56Z", Some("2024-01-31T12:34:56")),
            ("2024-01-31 12:34:56 -0800", Some("2024-01-31 12:34:56")),
            ("2024-01-31", None),
            ("2024-01-31 12:34:56", None),
            ("2024-01-31 12-x", None),
            ("20240131 +00", None),
            ("ü024-01-31 +00", None),
            ("", None),
        ] {
            assert_eq!(without_zone(text), expected, "{text}");
        }
    }
}
