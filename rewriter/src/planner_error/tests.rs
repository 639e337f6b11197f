//! The planner's texts, and what users read instead.

use super::*;

#[test]
fn no_text_of_the_planner_is_passed_on() {
    for (text, expected) in [
        (
            "No function matches the given name and argument types 'median(Utf8)'. You might …",
            "42883 function median(text) does not exist",
        ),
        (
            "Function 'avg' failed to match any signature, errors: Error during planning: Function \
             'avg' requires Decimal, but received Interval(MonthDayNano) (DataType: \
             Interval(MonthDayNano)).,Error during planning: …",
            "42883 function avg(interval) does not exist",
        ),
        (
            "Failed to coerce arguments to satisfy a call to 'strpos' function: coercion from \
             Int64, Timestamp(Microsecond, Some(\"UTC\")) to the signature Uniform(1, [Utf8]) failed",
            "42883 function strpos(bigint, timestamp with time zone) does not exist",
        ),
        (
            "Cannot infer common argument type for comparison operation Timestamp(µs, \"UTC\") != Int64",
            "42883 operator does not exist: timestamp with time zone <> bigint",
        ),
        (
            "Cannot coerce arithmetic expression Utf8 + Boolean to valid types",
            "42883 operator does not exist: text + boolean",
        ),
        (
            "Cannot infer common argument type for logical boolean operation Boolean AND Int32",
            "42804 argument of AND must be type boolean, not type integer",
        ),
        (
            "Column in SELECT must be in GROUP BY or an aggregate function: While expanding \
             wildcard, column \"crm.people.name\" must appear in the GROUP BY clause or …",
            "42803 column \"people.name\" must appear in the GROUP BY clause or be used in an \
             aggregate function",
        ),
        ("Cannot cast Int64(1) to Struct {}", "0A000 the statement can't be planned"),
    ] {
        let error = public(DataFusionError::Plan(text.to_owned()));
        let found = format!("{} {}", error.kind().sqlstate(), error.message());
        assert_eq!(found, expected, "for: {text}");
    }
}
