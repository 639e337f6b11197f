//! Every function of the registry on the least, largest and oddest values of each type: it may refuse
//! them, but it must not panic, neither on constants nor on a column of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::{
    DataType, Field, Int32Type, Int64Type, IntervalMonthDayNano, IntervalUnit, TimeUnit,
};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};
use datafusion::scalar::ScalarValue;
use tollgate_rewriter::{Registry, UdfSource};

use super::super::Functions;

/// Types, and values at the edges of each. NULL is added to all.
fn values() -> Vec<(DataType, Vec<ScalarValue>)> {
    let text = |text: &str| ScalarValue::Utf8(Some(text.to_owned()));
    let interval = |months, days, nanoseconds| {
        let value = IntervalMonthDayNano { months, days, nanoseconds };
        ScalarValue::IntervalMonthDayNano(Some(value))
    };
    let moment = |micros| ScalarValue::TimestampMicrosecond(Some(micros), None);
    let zoned = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("+00:00".into()));
    let list = |of: &[Option<i64>]| {
        let list =
            arrow::array::ListArray::from_iter_primitive::<Int64Type, _, _>([Some(of.to_vec())]);
        ScalarValue::List(Arc::new(list))
    };
    let short = |of: &[Option<i32>]| {
        let list =
            arrow::array::ListArray::from_iter_primitive::<Int32Type, _, _>([Some(of.to_vec())]);
        ScalarValue::List(Arc::new(list))
    };
    let texts = |of: &[&str]| {
        let texts: Vec<ScalarValue> = of.iter().map(|of| text(of)).collect();
        ScalarValue::List(ScalarValue::new_list(&texts, &DataType::Utf8, true))
    };
    let list_of = |of| DataType::List(Arc::new(Field::new_list_field(of, true)));
    vec![
        (
            DataType::Int64,
            [i64::MIN, i64::MIN + 1, -1, 0, 1, 2, 63, 64, i64::MAX]
                .map(|of| ScalarValue::Int64(Some(of)))
                .to_vec(),
        ),
        (
            DataType::Int32,
            [i32::MIN, -1, 0, 1, 32, i32::MAX].map(|of| ScalarValue::Int32(Some(of))).to_vec(),
        ),
        (
            DataType::Int16,
            [i16::MIN, -1, 0, 1, i16::MAX].map(|of| ScalarValue::Int16(Some(of))).to_vec(),
        ),
        (
            DataType::Float64,
            [
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::MAX,
                f64::MIN,
                f64::MIN_POSITIVE,
                -0.0,
                0.0,
                -1.0,
                1.5,
                9.3e18,
            ]
            .map(|of| ScalarValue::Float64(Some(of)))
            .to_vec(),
        ),
        (
            DataType::Decimal128(38, 10),
            [-99_999_999_999_999_999_999_999_999_999_999_999_999_i128, 0, 1, 10_i128.pow(38) - 1]
                .map(|of| ScalarValue::Decimal128(Some(of), 38, 10))
                .to_vec(),
        ),
        (DataType::Boolean, vec![ScalarValue::Boolean(Some(true))]),
        (
            DataType::Utf8,
            ["", "a", "äöü€😀", "%", "(", ".*", "\\1$1", "day", "YYYY-MM-DD", "UTC", "9.9", "hex"]
                .map(text)
                .to_vec(),
        ),
        (
            DataType::Binary,
            vec![ScalarValue::Binary(Some(vec![])), ScalarValue::Binary(Some(vec![0, 255]))],
        ),
        (
            DataType::Date32,
            [i32::MIN, -1, 0, i32::MAX].map(|of| ScalarValue::Date32(Some(of))).to_vec(),
        ),
        (
            DataType::Timestamp(TimeUnit::Microsecond, None),
            [i64::MIN, -1, 0, 1_709_164_800_000_000, i64::MAX].map(moment).to_vec(),
        ),
        (
            DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            [i64::MIN, -1, 0, i64::MAX].map(zoned).to_vec(),
        ),
        (
            DataType::Time64(TimeUnit::Nanosecond),
            [0, 86_399_999_999_999].map(|of| ScalarValue::Time64Nanosecond(Some(of))).to_vec(),
        ),
        (
            DataType::Interval(IntervalUnit::MonthDayNano),
            vec![
                interval(i32::MIN, i32::MIN, i64::MIN),
                interval(i32::MAX, i32::MAX, i64::MAX),
                interval(0, 0, 0),
                interval(1, -1, 1),
                interval(0, 0, 1000),
                interval(0, 1, 0),
            ],
        ),
        (
            list_of(DataType::Int64),
            vec![list(&[]), list(&[Some(1)]), list(&[None, Some(i64::MIN), Some(1)])],
        ),
        (list_of(DataType::Int32), vec![short(&[]), short(&[Some(1), None])]),
        (list_of(DataType::Utf8), vec![texts(&[]), texts(&["a"]), texts(&["", "ä", "a"])]),
    ]
}

/// All lists of `length` of the types by their index.
fn tuples(types: usize, length: usize) -> Vec<Vec<usize>> {
    (0..length).fold(vec![Vec::new()], |all, _| {
        all.iter()
            .flat_map(|start| {
                (0..types).map(|next| start.iter().copied().chain([next]).collect::<Vec<_>>())
            })
            .collect()
    })
}

/// Calls of more than three arguments, and what the planner makes of `a[1:2]` and its like.
const LONG: &[(&str, &[&str])] = &[
    ("array_any_value", &["List(Int64)"]),
    ("array_element", &["List(Int64)", "Int64"]),
    ("array_has", &["List(Int64)", "Int64"]),
    ("array_max", &["List(Int64)"]),
    ("array_min", &["List(Int64)"]),
    ("array_slice", &["List(Int64)", "Int64", "Int64"]),
    ("array_slice", &["List(Int64)", "Int64", "Int64", "Int64"]),
    ("concat_ws", &["Utf8", "Utf8", "Utf8", "Utf8"]),
    ("format", &["Utf8", "Utf8", "Utf8", "Utf8"]),
    ("overlay", &["Utf8", "Utf8", "Int64", "Int64"]),
    ("regexp_count", &["Utf8", "Utf8", "Int64", "Utf8"]),
    ("regexp_instr", &["Utf8", "Utf8", "Int64", "Int64", "Int64", "Utf8"]),
    ("regexp_replace", &["Utf8", "Utf8", "Utf8", "Utf8"]),
];

struct Walk {
    types: Vec<(DataType, Vec<ScalarValue>)>,
    options: Arc<ConfigOptions>,
    calls: usize,
}

impl Walk {
    /// Calls a function with constants, and with a column of two rows of each.
    fn call(&mut self, udf: &ScalarUDF, arguments: &[ScalarValue]) -> Result<(), String> {
        self.calls += 1;
        let fields: Vec<_> =
            arguments.iter().map(|of| Arc::new(Field::new("a", of.data_type(), true))).collect();
        let constants: Vec<_> = arguments.iter().map(Some).collect();
        let run = |columns: Vec<ColumnarValue>, constants: &[Option<&ScalarValue>], rows| {
            let return_field = udf
                .return_field_from_args(ReturnFieldArgs {
                    arg_fields: &fields,
                    scalar_arguments: constants,
                })
                .ok()?;
            let made = udf
                .invoke_with_args(ScalarFunctionArgs {
                    args: columns,
                    arg_fields: fields.clone(),
                    number_rows: rows,
                    return_field,
                    config_options: Arc::clone(&self.options),
                })
                .ok()?;
            Some(made)
        };
        let scalars = arguments.iter().cloned().map(ColumnarValue::Scalar).collect();
        let columns: Vec<ColumnarValue> = arguments
            .iter()
            .map(|of| ColumnarValue::Array(of.to_array_of_size(2).unwrap()))
            .collect();
        let unknown = vec![None; arguments.len()];
        let done = catch_unwind(AssertUnwindSafe(|| {
            let _ = run(scalars, &constants, 1);
            let _ = run(columns.clone(), &unknown, 2);
            // The first is a column, the rest are constants.
            if let [first, ..] = columns.as_slice() {
                let mut mixed = constants.clone();
                mixed[0] = None;
                let rest = arguments.iter().skip(1).cloned().map(ColumnarValue::Scalar);
                let _ = run([first.clone()].into_iter().chain(rest).collect(), &mixed, 2);
            }
        }));
        done.map_err(|_| format!("{}({arguments:?})", udf.name()))
    }

    /// Calls a function with all values of these types.
    fn all(&mut self, udf: &ScalarUDF, types: &[usize], panics: &mut Vec<String>) {
        let mut choices: Vec<Vec<ScalarValue>> = vec![Vec::new()];
        for index in types {
            let (of, values) = &self.types[*index];
            let null = ScalarValue::try_from(of).unwrap();
            // Fewer of each where there are many arguments.
            let most = match types.len() {
                ..3 => usize::MAX,
                3 => 3,
                _ => 2,
            };
            let step = values.len().div_ceil(most).max(1);
            let kept = values.iter().enumerate();
            let kept = kept.filter(|(at, _)| at % step == 0 || at + 1 == values.len());
            let values: Vec<_> = kept.map(|(_, value)| value).chain([&null]).collect();
            choices = choices
                .iter()
                .flat_map(|start| {
                    values.iter().map(|next| {
                        start.iter().cloned().chain([(*next).clone()]).collect::<Vec<_>>()
                    })
                })
                .collect();
        }
        for arguments in choices {
            if let Err(call) = self.call(udf, &arguments) {
                panics.push(call);
                // One of a kind is enough.
                return;
            }
        }
    }
}

#[test]
fn no_function_panics() {
    let registry = Registry::new(&Functions::new());
    let mut walk = Walk { types: values(), options: Arc::new(ConfigOptions::default()), calls: 0 };
    let mut panics = Vec::new();
    let mut names: Vec<_> = registry.scalars().collect();
    names.sort_by_key(|(name, _)| *name);
    names.dedup_by(|(_, one), (_, other)| one == other);
    for (name, types) in LONG {
        let udf = registry.scalars().find(|(known, _)| known == name).map(|(_, udf)| udf);
        let udf = udf.or_else(|| Functions::new().scalar(name)).unwrap();
        let index = |of: &&str| walk.types.iter().position(|(known, _)| known.to_string() == **of);
        let tuple: Vec<usize> = types.iter().map(|of| index(of).unwrap()).collect();
        walk.all(&udf, &tuple, &mut panics);
    }
    for (name, udf) in &names {
        // Its length is bounded by the gate, which takes literals only.
        if *name == "generate_series" {
            continue;
        }
        for length in 0..=3 {
            for tuple in tuples(walk.types.len(), length) {
                let fields: Vec<_> = tuple
                    .iter()
                    .map(|index| Arc::new(Field::new("a", walk.types[*index].0.clone(), true)))
                    .collect();
                let taken = fields_with_udf(&fields, udf.as_ref());
                let same = taken.is_ok_and(|taken| {
                    taken
                        .iter()
                        .zip(&fields)
                        .all(|(one, other)| one.data_type() == other.data_type())
                });
                if same {
                    walk.all(udf, &tuple, &mut panics);
                }
            }
        }
    }
    assert!(walk.calls > 10_000, "{} calls", walk.calls);
    assert!(panics.is_empty(), "{} kinds of calls panic:\n{}", panics.len(), panics.join("\n"));
}
