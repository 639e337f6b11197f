//! The masks of the policy language in the warehouse's words, with the same values byte for byte.
//!
//! None can fail on a value. Where one can't be said so, as for floats, the query is refused.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::Expr;
use tollgate_catalog::Error;
use tollgate_policy::Masking;

use super::expr::type_of;
use super::types::Kind;
use super::{Dialect, Printer, Row};

impl Printer {
    /// A call of a mask function.
    pub(super) fn mask(
        &mut self,
        mask: &Masking<'_>,
        args: &[Expr],
        row: Row<'_>,
    ) -> Result<String, Error> {
        let Some(value) = args.first() else {
            return Err(Error::internal("a mask of nothing"));
        };
        let data_type = type_of(value, row)?;
        let is = self.dialect.kind(&data_type)?;
        match mask {
            Masking::Partial { prefix, suffix } if is == Kind::Text => {
                let text = self.expr(value, row)?;
                self.partial(&text, *prefix, *suffix)
            }
            Masking::Email if is == Kind::Text => {
                let text = self.expr(value, row)?;
                self.email(&text)
            }
            Masking::Hash { inner, outer } if is == Kind::Text => {
                // HMAC: a hash of a hash, each over the key in its own disguise.
                let bytes = self.utf8(value, row)?;
                let (inner, outer) = (self.bytes(inner.as_ref())?, self.bytes(outer.as_ref())?);
                if self.dialect == Dialect::Snowflake {
                    let size = self.number(256);
                    let hash = format!("({inner} || {bytes}), {size}");
                    let hash = self.invoke("SHA2_BINARY", &hash);
                    let hash = self.invoke("SHA2", &format!("({outer} || {hash}), {size}"));
                    let half = self.number(32);
                    return Ok(self.invoke("LEFT", &format!("{hash}, {half}")));
                }
                let hash = self.invoke("sha256", &format!("({inner} || {bytes})"));
                let hash = self.invoke("sha256", &format!("({outer} || {hash})"));
                let (first, length) = (self.integer(1)?, self.integer(16)?);
                let half = self.invoke("substr", &format!("{hash}, {first}, {length}"));
                let hex = self.text("hex")?;
                Ok(self.invoke("encode", &format!("{half}, {hex}")))
            }
            Masking::Round(step) => self.step(value, step, true, &data_type, row),
            Masking::Bucket(step) => self.step(value, step, false, &data_type, row),
            Masking::Date(unit) => self.beginning(value, unit, &data_type, row),
            Masking::Partial { .. } | Masking::Email | Masking::Hash { .. } => {
                Err(Error::internal("a mask of a value of another type"))
            }
        }
    }

    /// A call of a function that both warehouses have under one name.
    fn common(&mut self, function: &str, args: &str) -> String {
        match self.dialect {
            Dialect::Postgres => self.invoke(function, args),
            Dialect::Snowflake => self.invoke(&function.to_ascii_uppercase(), args),
        }
    }

    /// A type that holds every value of `of`, with the digits of a step, and a step more.
    fn roomy(&self, of: &DataType, step: &ScalarValue) -> Result<String, Error> {
        let digits = |of: &DataType| match of {
            DataType::Int16 => Some((5, 0)),
            DataType::Int32 => Some((10, 0)),
            DataType::Int64 => Some((19, 0)),
            DataType::Decimal128(precision, scale) => {
                Some((i16::from(*precision) - i16::from(*scale), i16::from(*scale)))
            }
            _ => None,
        };
        if let (Some((whole, scale)), Some((more, finer))) = (digits(of), digits(&step.data_type()))
        {
            let scale = scale.max(finer).max(0);
            if whole.max(more) + 1 + scale <= 38 {
                return Ok(format!("NUMBER(38,{scale})"));
            }
        }
        Err(self.dialect.unsupported("a mask of this type"))
    }

    fn partial(&mut self, text: &str, prefix: usize, suffix: usize) -> Result<String, Error> {
        let stars = self.text("***")?;
        let shown = i32::try_from(prefix).ok().zip(i32::try_from(suffix).ok());
        let shown = shown.and_then(|(first, last)| Some((first, last, first.checked_add(last)?)));
        let Some((prefix, suffix, both)) = shown else {
            // No text is that long.
            return Ok(format!("(CASE WHEN ({text} IS NULL) THEN NULL ELSE {stars} END)"));
        };
        let length = self.common("length", text);
        let (prefix, suffix) = (self.integer(prefix.into())?, self.integer(suffix.into())?);
        let both = self.integer(both.into())?;
        let first = self.common("left", &format!("{text}, {prefix}"));
        let last = self.common("right", &format!("{text}, {suffix}"));
        Ok(format!(
            "(CASE WHEN ({text} IS NULL) THEN NULL WHEN ({length} > {both}) \
             THEN (({first} || {stars}) || {last}) ELSE {stars} END)"
        ))
    }

    fn email(&mut self, text: &str) -> Result<String, Error> {
        let (stars, at) = (self.text("***")?, self.text("@")?);
        let stars_at = self.text("***@")?;
        let (zero, one) = (self.integer(0)?, self.integer(1)?);
        // From the end, the last `@`.
        let backwards = self.common("reverse", text);
        let place = match self.dialect {
            Dialect::Postgres => self.invoke("strpos", &format!("{backwards}, {at}")),
            Dialect::Snowflake => self.invoke("CHARINDEX", &format!("{at}, {backwards}")),
        };
        let length = self.common("length", text);
        let first = format!("{one}, ({length} - {place})");
        let first = match self.dialect {
            Dialect::Postgres => {
                self.printed.words.insert("LEAST");
                format!("LEAST({first})")
            }
            Dialect::Snowflake => self.invoke("LEAST", &first),
        };
        let first = self.common("left", &format!("{text}, {first}"));
        let domain = self.common("right", &format!("{text}, ({place} - {one})"));
        Ok(format!(
            "(CASE WHEN ({text} IS NULL) THEN NULL WHEN ({place} = {zero}) THEN {stars} \
             ELSE (({first} || {stars_at}) || {domain}) END)"
        ))
    }

    /// The multiple of `step` at or below the value, or the nearest; NULL where it doesn't fit.
    fn step(
        &mut self,
        value: &Expr,
        step: &ScalarValue,
        nearest: bool,
        data_type: &DataType,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let (least, most) = match data_type {
            DataType::Int16 => (i16::MIN.to_string(), i16::MAX.to_string()),
            DataType::Int32 => (i32::MIN.to_string(), i32::MAX.to_string()),
            DataType::Int64 => (i64::MIN.to_string(), i64::MAX.to_string()),
            DataType::Decimal128(precision, scale) => {
                let digits = 10_i128.checked_pow(u32::from(*precision)).map(|limit| limit - 1);
                let Some(digits) = digits else {
                    return Err(self.dialect.unsupported("a mask of this type"));
                };
                let text = super::literal::decimal(digits, *scale);
                (format!("-{text}"), text)
            }
            other => {
                let name = self.dialect.name(other, false)?;
                return Err(self.dialect.unsupported(&format!("a mask that rounds a {name}")));
            }
        };
        let numeric = match self.dialect {
            Dialect::Postgres => "numeric".to_owned(),
            Dialect::Snowflake => self.roomy(data_type, step)?,
        };
        let value = format!("CAST({} AS {numeric})", self.expr(value, row)?);
        let step = format!("CAST({} AS {numeric})", self.literal(step)?);
        let (least, most) = (self.written(&least, &numeric)?, self.written(&most, &numeric)?);
        // Not below zero, whatever the sign of the value.
        let rest = self.common("mod", &format!("{value}, {step}"));
        let rest = self.common("mod", &format!("({rest} + {step}), {step}"));
        let mut stepped = format!("({value} - {rest})");
        if nearest {
            let zero = self.written("0", &numeric)?;
            stepped = format!(
                "({stepped} + (CASE WHEN ({rest} >= ({step} - {rest})) THEN {step} ELSE {zero} END))"
            );
        }
        let name = self.dialect.name(data_type, true)?;
        Ok(format!(
            "(CASE WHEN ({stepped} BETWEEN {least} AND {most}) \
             THEN CAST({stepped} AS {name}) ELSE NULL END)"
        ))
    }

    /// The beginning of a unit of time.
    fn beginning(
        &mut self,
        value: &Expr,
        unit: &str,
        data_type: &DataType,
        row: Row<'_>,
    ) -> Result<String, Error> {
        let name = self.dialect.name(data_type, false)?;
        let kind = self.dialect.kind(data_type)?;
        let zone = match kind {
            Kind::Date | Kind::Timestamp => "",
            Kind::Zoned => self.dialect.utc(),
            _ => return Err(Error::internal("a mask of a value of another type")),
        };
        let text = self.expr(value, row)?;
        // What PostgreSQL can't do with dates far away, or infinite ones, it isn't asked.
        let time = if kind == Kind::Date { String::new() } else { format!(" 00:00:00{zone}") };
        let first = self.written(&format!("0001-01-01{time}"), &name)?;
        let last = self.written(&format!("9999-12-31{time}"), &name)?;
        let unit = match self.dialect {
            Dialect::Postgres => self.text(unit)?,
            Dialect::Snowflake => self.unit(unit)?,
        };
        let value = match (self.dialect, kind) {
            (Dialect::Postgres, Kind::Date) => format!("CAST({text} AS timestamp)"),
            _ => text.clone(),
        };
        let begun = self.common("date_trunc", &format!("{unit}, {value}"));
        Ok(format!(
            "(CASE WHEN ({text} BETWEEN {first} AND {last}) THEN CAST({begun} AS {name}) ELSE NULL END)"
        ))
    }
}
