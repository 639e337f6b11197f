//! Lists and objects: their elements are those of the scalar cases.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationMicrosecondArray,
    FixedSizeListArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray, MapArray,
    StringArray, StructArray, TimestampMicrosecondArray, UnionArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, UnionFields};
use tollgate_catalog::pg_type::{self, Shape};

use super::{
    Case, DAY, FIRST_DAY, Random, decimal, nullable, push_ok, query, quoted, texts, timestamp,
};

/// Lists over `elements` with random lengths, the last list null; with SQL for each.
fn list(random: &mut Random, elements: &ArrayRef, sql: &[String], pg_type: &str) -> Option<Case> {
    let mut offsets = vec![0_i32];
    let mut rows = Vec::new();
    let mut start = 0;
    while start < sql.len() {
        let end = (start + usize::try_from(random.next() % 4).unwrap_or(0)).min(sql.len());
        rows.push(format!("ARRAY[{}]::{pg_type}", sql.get(start..end)?.join(", ")));
        offsets.push(i32::try_from(end).ok()?);
        start = end;
    }
    offsets.push(i32::try_from(start).ok()?);
    let nulls = NullBuffer::from_iter((0..=rows.len()).map(|row| row < rows.len()));
    let field = Arc::new(Field::new("item", elements.data_type().clone(), true));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let array = ListArray::try_new(field, offsets, elements.clone(), Some(nulls)).ok()?;
    Some((query(pg_type, rows), Arc::new(array)))
}

pub(super) fn lists(random: &mut Random, cases: &mut Vec<Case>) {
    // The elements are those of the scalar cases, nulls included.
    let scalars: Vec<Case> = std::mem::take(cases);
    for (sql, array) in &scalars {
        let Some(rows) = sql.strip_prefix("VALUES (").and_then(|sql| sql.strip_suffix(')')) else {
            continue;
        };
        let rows: Vec<String> = rows.split("), (").map(|row| row.trim().to_owned()).collect();
        let pg_type = sql.rsplit("::").next().unwrap_or("").trim_end_matches(')');
        // Texts may hold the separator.
        if rows.len() != array.len() {
            continue;
        }
        cases.extend(list(random, array, &rows, &format!("{pg_type}[]")));
    }
    cases.splice(0..0, scalars);

    let texts = texts(random);
    let elements = nullable!(StringArray, &texts);
    let sql: Vec<String> = texts.iter().map(|t| quoted(t)).chain(["NULL".to_owned()]).collect();
    let Some(flat) = list(random, &elements, &sql, "text[]") else { return };
    let field = || Arc::new(Field::new("item", DataType::Utf8, true));
    for to in [
        DataType::LargeList(field()),
        DataType::ListView(field()),
        DataType::LargeListView(field()),
    ] {
        if let Ok(array) = cast(&flat.1, &to) {
            cases.push((flat.0, array));
        }
    }
    cases.push(flat);

    // Two and three dimensions, the empty one as a list of lists too.
    let nulls = Int32Array::from_iter((0..24).map(|n| (n % 5 != 0).then_some(n)));
    let item = |array: &ArrayRef| Arc::new(Field::new("item", array.data_type().clone(), true));
    let cube = |sizes: &[i32]| {
        let start: ArrayRef = Arc::new(nulls.clone());
        sizes.iter().try_fold(start, |array, size| {
            FixedSizeListArray::try_new(item(&array), *size, array, None)
                .ok()
                .map(|a| Arc::new(a) as ArrayRef)
        })
    };
    let element = |n: i32| if n % 5 == 0 { "NULL".to_owned() } else { n.to_string() };
    let flat = |start: i32| (start..start + 4).map(element).collect::<Vec<_>>().join(",");
    if let Some(square) = cube(&[4, 3]) {
        let rows = (0..2).map(|row| {
            format!(
                "'{{{{{}}},{{{}}},{{{}}}}}'",
                flat(row * 12),
                flat(row * 12 + 4),
                flat(row * 12 + 8)
            )
        });
        let rows: Vec<String> = rows.map(|row| format!("({row}::int4[])")).collect();
        cases.push((Box::leak(format!("VALUES {}", rows.join(", ")).into_boxed_str()), square));
    }
    if let Some(three) = cube(&[4, 3, 2]) {
        let rows = (0..2).map(|row| {
            format!(
                "{{{{{}}},{{{}}},{{{}}}}}",
                flat(row * 12),
                flat(row * 12 + 4),
                flat(row * 12 + 8)
            )
        });
        let rows: Vec<String> = rows.collect();
        let sql = format!("VALUES ('{{{}}}'::int4[])", rows.join(","));
        cases.push((Box::leak(sql.into_boxed_str()), three));
    }
    if let Some(lists) = cube(&[4]) {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0, 0, 1]));
        push_ok(
            cases,
            "VALUES ('{}'::int4[]), ('{{NULL,1,2,3}}'::int4[])",
            ListArray::try_new(item(&lists), offsets, lists, None),
        );
    }
}

pub(super) fn objects(random: &mut Random, cases: &mut Vec<Case>) {
    let texts = texts(random);
    let count = texts.len();
    let floats: Vec<f64> = (0..count)
        .map(|_| match random.next() % 8 {
            0 => f64::NAN,
            1 => f64::NEG_INFINITY,
            2 => 1e23,
            3 => -0.0,
            4 => random.wide() as f64,
            _ => f64::from_bits(random.next()),
        })
        .collect();
    let singles: Vec<f32> = (0..count).map(|_| f32::from_bits(random.next() as u32)).collect();
    let decimals: Vec<i128> = (0..count).map(|_| random.wide().into()).collect();
    let stamps: Vec<i64> =
        (0..count).map(|_| random.between(FIRST_DAY * DAY, i64::MAX / 4)).collect();
    let decimal_array = Decimal128Array::from(decimals.clone()).with_precision_and_scale(38, 6);
    let Ok(decimal_array) = decimal_array else { return };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new(StringArray::from(texts.clone()))),
        ("f", Arc::new(Float64Array::from(floats.clone()))),
        ("single", Arc::new(Float32Array::from(singles.clone()))),
        (
            "a \"key\"\n",
            Arc::new(Int32Array::from_iter((0..count).map(|n| (n % 3 > 0).then_some(n as i32)))),
        ),
        ("é", Arc::new(decimal_array)),
        ("b", Arc::new(BooleanArray::from_iter((0..count).map(|n| Some(n % 2 == 0))))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(stamps.clone()))),
        ("tz", Arc::new(TimestampMicrosecondArray::from(stamps.clone()).with_timezone("UTC"))),
        (
            "day",
            Arc::new(Date32Array::from_iter(stamps.iter().map(|s| Some(s.div_euclid(DAY) as i32)))),
        ),
        ("raw", Arc::new(BinaryArray::from_iter_values(stamps.iter().map(|s| s.to_le_bytes())))),
        ("span", Arc::new(DurationMicrosecondArray::from(stamps.clone()))),
    ];
    let fields: Fields = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays: Vec<ArrayRef> = columns.into_iter().map(|(_, array)| array).collect();
    let keys: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    let rows: Vec<Vec<String>> = texts
        .iter()
        .zip(&floats)
        .zip(&singles)
        .zip(&decimals)
        .zip(&stamps)
        .enumerate()
        .map(|(n, ((((text, float), single), decimal_value), stamp))| {
            let hex: String =
                stamp.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            let infinite = |text: String| text.replace("inf", "Infinity");
            vec![
                format!("{}::text", quoted(text)),
                infinite(format!("'{float:e}'::float8")),
                infinite(format!("'{single:e}'::float4")),
                if n % 3 > 0 { n.to_string() } else { "NULL::int".to_owned() },
                format!("{}::numeric", decimal(&decimal_value.to_string(), 6)),
                (n % 2 == 0).to_string(),
                timestamp(*stamp),
                format!("({}) at time zone 'UTC'", timestamp(*stamp)),
                format!("({})::date", timestamp(*stamp)),
                format!("'\\x{hex}'::bytea"),
                format!("interval '{stamp} microseconds'"),
            ]
        })
        .collect();
    rows_as_such(cases, &fields, &arrays, &keys, &rows);
    let rows: Vec<String> = rows
        .iter()
        .map(|values| {
            let pairs = keys.iter().zip(values);
            let pairs = pairs.map(|(key, value)| format!("{}, {value}", quoted(key)));
            format!("jsonb_build_object({})", pairs.collect::<Vec<_>>().join(", "))
        })
        .collect();
    let nulls = NullBuffer::from_iter((0..count).map(|n| n + 1 < count));
    let Ok(object) = StructArray::try_new(fields, arrays, Some(nulls)) else { return };
    let object: ArrayRef = Arc::new(object);
    let mut sql: Vec<String> = rows;
    if let Some(last) = sql.last_mut() {
        *last = "NULL".to_owned();
    }
    cases.extend(list(random, &object, &sql, "jsonb[]"));
    sql.pop();
    cases.push((query("jsonb", sql), object));

    // Keys in no order, one of them twice.
    let keys = StringArray::from(vec!["bb", "a", "ccc", "a", "z"]);
    let values = Int64Array::from(vec![Some(1), None, Some(3), Some(4), Some(5)]);
    let entries = Fields::from(vec![
        Field::new("keys", DataType::Utf8, false),
        Field::new("values", DataType::Int64, true),
    ]);
    let field = Arc::new(Field::new("entries", DataType::Struct(entries.clone()), false));
    if let Ok(entries) = StructArray::try_new(entries, vec![Arc::new(keys), Arc::new(values)], None)
    {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0, 4, 4, 5]));
        let sql = "VALUES ('{\"bb\":1,\"a\":null,\"ccc\":3,\"a\":4}'::jsonb), ('{}'::jsonb), ('{\"z\":5}'::jsonb)";
        push_ok(cases, sql, MapArray::try_new(field, offsets, entries, None, false));
    }
    let alternatives =
        [(0, Field::new("n", DataType::Int32, true)), (1, Field::new("s", DataType::Utf8, true))];
    let alternatives: UnionFields =
        alternatives.into_iter().map(|(id, field)| (id, Arc::new(field))).collect();
    let children: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![Some(1), None])),
        Arc::new(StringArray::from(vec!["x\"", "y"])),
    ];
    let ids = ScalarBuffer::from(vec![1_i8, 0, 0, 1]);
    let offsets = ScalarBuffer::from(vec![0_i32, 0, 1, 1]);
    let sql = "VALUES ('\"x\\\"\"'::jsonb), ('1'::jsonb), (NULL), ('\"y\"'::jsonb)";
    push_ok(cases, sql, UnionArray::try_new(alternatives, ids, Some(offsets), children));
}

/// A type with its fields of a shape.
fn shaped(fields: &Fields, shape: Shape) -> Fields {
    fields.iter().map(|field| pg_type::shaped(field.as_ref().clone(), shape)).collect()
}

/// The same values as rows of a relation, as lists of such rows, and as `json` of both.
fn rows_as_such(
    cases: &mut Vec<Case>,
    fields: &Fields,
    arrays: &[ArrayRef],
    keys: &[String],
    raw: &[Vec<String>],
) {
    let count = raw.len();
    let names = keys.iter().map(|key| format!("\"{}\"", key.replace('"', "\"\"")));
    let names: Vec<String> = names.collect();
    let named = |values: &[String]| {
        let items = values.iter().zip(&names).map(|(value, name)| format!("{value} AS {name}"));
        format!("(SELECT x FROM (SELECT {}) x)", items.collect::<Vec<_>>().join(", "))
    };
    let nulls = NullBuffer::from_iter((0..=count).map(|n| n < count));
    let longer = |array: &ArrayRef| {
        let none = arrow::array::new_null_array(array.data_type(), 1);
        arrow::compute::concat(&[array.as_ref(), none.as_ref()])
    };
    let Ok(arrays) = arrays.iter().map(longer).collect::<Result<Vec<_>, _>>() else { return };
    let made = |shape| {
        StructArray::try_new(shaped(fields, shape), arrays.clone(), Some(nulls.clone())).ok()
    };
    let (Some(records), Some(json)) = (made(Shape::Record), made(Shape::Json)) else { return };
    let records: ArrayRef = Arc::new(records);
    let rows: Vec<String> = raw.iter().map(|values| named(values)).collect();
    cases.push((query("record", rows.clone()), records.clone()));
    let texts = rows.iter().map(|row| format!("row_to_json({row})"));
    cases.push((query("json", texts), Arc::new(json)));

    // All of them but the last, which is null, in one value.
    let whole = |array: &ArrayRef, json: bool| {
        let field = Field::new("item", array.data_type().clone(), true);
        let field = if json { pg_type::shaped(field, Shape::Json) } else { field };
        let end = i32::try_from(array.len()).ok()?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0, end]));
        ListArray::try_new(Arc::new(field), offsets, array.clone(), None).ok()
    };
    let mut all = rows;
    all.push("NULL".to_owned());
    let list = |rows: &[String]| format!("ARRAY[{}]", rows.join(", "));
    let sql = |text: String| -> &'static str { Box::leak(format!("VALUES ({text})").into()) };
    if let Some(array) = whole(&records, false) {
        cases.push((sql(list(&all)), Arc::new(array)));
    }
    let aggregated = |values: &[String]| {
        let values = values.iter().enumerate().map(|(n, value)| format!("({n}, {value})"));
        let values = values.collect::<Vec<_>>().join(", ");
        format!("(SELECT json_agg(v ORDER BY n) FROM (VALUES {values}) w(n, v))")
    };
    if let Some(array) = whole(&records, true) {
        cases.push((sql(aggregated(&all)), Arc::new(array)));
    }
    for (index, array) in arrays.iter().enumerate() {
        let values = raw.iter().filter_map(|row| row.get(index).cloned());
        let mut values: Vec<String> = values.collect();
        values.push("NULL".to_owned());
        if let Some(array) = whole(array, true) {
            cases.push((sql(aggregated(&values)), Arc::new(array)));
        }
    }
}
