//! Functions by what they are of NULL and of zero, and whether they fail; by the engine's names.

/// Functions that are NULL when an argument is, and never fail.
pub(super) const SAFE: &[&str] = &[
    "array_has",
    "ascii",
    "atan",
    "atan2",
    "bit_length",
    "btrim",
    "character_length",
    "cos",
    "date_part",
    "date_trunc",
    "degrees",
    "left",
    "lower",
    "ltrim",
    "md5",
    "octet_length",
    "radians",
    "reverse",
    "right",
    "rtrim",
    "sin",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "tg_array_size",
    "tg_flatten_index",
    "tg_flatten_key",
    "tg_flatten_this",
    "tg_flatten_value",
    "tg_is_null_value",
    "tg_join",
    "tg_like",
    "tg_text",
    "tg_try_parse_json",
    "tg_typeof",
    "to_char",
    "upper",
];

/// Functions that are NULL when an argument is, and can't fail where all are NULL or zero.
pub(super) const NEAR_ZERO: &[&str] =
    &["ceil", "floor", "round", "tg_int2", "tg_int4", "tg_int8", "tg_times", "trunc"];

/// Functions that turn NULL into something else, and never fail. (The path of no element is `''`, and an array may
/// hold what is NULL.)
pub(super) const TURNING: &[&str] = &[
    "coalesce",
    "concat",
    "current_date",
    "greatest",
    "least",
    "now",
    "pi",
    "tg_array_contains",
    "tg_flatten_path",
];

/// Functions that are NULL when an argument is, and fail for some values: texts may become too long,
/// and `translate` takes no target longer than its source.
pub(super) const FAILING: &[&str] = &[
    "acos",
    "asin",
    "cbrt",
    "cot",
    "exp",
    "ln",
    "log",
    "log10",
    "lpad",
    "power",
    "replace",
    "rpad",
    "sqrt",
    "tan",
    "tg_get",
    "tg_interval_times",
    "tg_object_keys",
    "tg_parse_json",
    "timezone",
    "to_timestamp",
    "translate",
];
