//! Our encoding of values against PostgreSQL's, byte for byte, in both formats.

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::{FromSql, Type};
use tollgate_proxy::pg::encode::Format;

use crate::encode_diff::{TIME_ZONE, cases, encode_one};
use crate::harness::{self, postgres::Postgres};

/// A value as it is on the wire.
struct Wire(Vec<u8>);

impl<'a> FromSql<'a> for Wire {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Wire(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn shown(value: Option<&[u8]>) -> String {
    match value.map(std::str::from_utf8) {
        None => "NULL".to_owned(),
        Some(Ok(text)) if !text.contains(|c: char| c.is_control() && c != '\n') => text.to_owned(),
        Some(_) => format!("{value:02x?}"),
    }
}

#[test]
fn values_are_encoded_like_postgresql_does() {
    harness::run(async {
        let client = Postgres::shared().await.connect("postgres").await;
        client.inner.batch_execute(&format!("SET TimeZone = '{TIME_ZONE}'")).await.unwrap();
        let (mut wrong, mut checked) = (Vec::new(), 0);
        for (sql, array) in cases() {
            let start: String = sql.chars().take(80).collect();
            let messages = client.inner.simple_query(sql).await;
            let texts: Vec<Option<Vec<u8>>> = messages
                .unwrap_or_else(|error| panic!("{start}: {error:?}"))
                .iter()
                .filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(row.get(0).map(|text| text.into())),
                    _ => None,
                })
                .collect();
            let rows = client.inner.query(sql, &[]).await.unwrap();
            let binaries: Vec<Option<Vec<u8>>> =
                rows.iter().map(|row| row.get::<_, Option<Wire>>(0).map(|wire| wire.0)).collect();
            assert_eq!(texts.len(), array.len(), "{start}");
            for (format, values) in [(Format::Text, &texts), (Format::Binary, &binaries)] {
                for (row, want) in values.iter().enumerate() {
                    let got = encode_one(&array, row, format);
                    checked += 1;
                    if got != *want && wrong.len() < 50 {
                        wrong.push(format!(
                            "{:?} in {format:?}, row {row} of {start}: {} against PostgreSQL's {}",
                            array.data_type(),
                            shown(got.as_deref()),
                            shown(want.as_deref())
                        ));
                    }
                }
            }
        }
        assert!(checked > 10_000, "only {checked} values were checked");
        assert!(wrong.is_empty(), "{} differences or more:\n{}", wrong.len(), wrong.join("\n"));
    });
}
