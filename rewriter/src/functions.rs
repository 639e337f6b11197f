//! The function registry: a function that isn't named here doesn't exist.
//!
//! The registry decides which names exist and which are total; whoever composes the gateway hands in
//! the implementations. `Total` means: can't raise an error for any value of its argument types, and
//! takes time that doesn't depend on the value beyond its length; only such may stand in a policy.

mod system;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion_common::config::ConfigOptions;
use datafusion_expr::planner::ExprPlanner;
use datafusion_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use tollgate_catalog::{Column, Error, Snapshot, View};

use system::SYSTEM;

/// Implementations by name, in the engine's spelling.
pub trait UdfSource {
    /// A scalar function.
    fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>>;
    /// The version of a scalar function for users' queries, where its time or its result could be
    /// much longer than its arguments. It may fail where the function itself is total.
    fn bounded(&self, name: &str) -> Option<Arc<ScalarUDF>>;
    /// An aggregate function.
    fn aggregate(&self, name: &str) -> Option<Arc<AggregateUDF>>;
    /// The version of an aggregate function that users get as a window function, where what it
    /// makes needs a bound.
    fn windowed(&self, name: &str) -> Option<Arc<AggregateUDF>>;
    /// A window function.
    fn window(&self, name: &str) -> Option<Arc<WindowUDF>>;
    /// Planners of expressions such as `EXTRACT` or `a[1]`.
    fn expr_planners(&self) -> Vec<Arc<dyn ExprPlanner>>;
}

/// Whether a function can fail on a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Totality {
    Total,
    Fallible,
}

use Totality::{Fallible, Total};

/// Scalar functions: PostgreSQL's name, the engine's name, totality.
const SCALARS: &[(&str, &str, Totality)] = &[
    ("abs", "abs", Fallible),
    ("acos", "acos", Fallible),
    ("age", "age", Fallible),
    ("array_append", "array_append", Fallible),
    ("array_cat", "array_concat", Fallible),
    ("array_dims", "array_dims", Fallible),
    ("array_length", "array_length", Fallible),
    ("array_lower", "tg_array_lower", Fallible),
    ("array_ndims", "array_ndims", Fallible),
    ("array_position", "array_position", Fallible),
    ("array_prepend", "array_prepend", Fallible),
    ("array_remove", "array_remove_all", Fallible),
    ("array_replace", "array_replace_all", Fallible),
    ("array_to_string", "array_to_string", Fallible),
    ("array_upper", "tg_array_upper", Fallible),
    ("ascii", "ascii", Total),
    ("asin", "asin", Fallible),
    ("atan", "atan", Fallible),
    ("atan2", "atan2", Fallible),
    ("bit_length", "bit_length", Total),
    ("btrim", "btrim", Total),
    ("cardinality", "cardinality", Fallible),
    ("cbrt", "cbrt", Fallible),
    ("ceil", "ceil", Fallible),
    ("ceiling", "ceil", Fallible),
    ("char_length", "character_length", Total),
    ("character_length", "character_length", Total),
    ("chr", "chr", Fallible),
    ("coalesce", "coalesce", Total),
    ("concat", "concat", Total),
    ("concat_ws", "concat_ws", Total),
    ("cos", "cos", Fallible),
    ("cot", "cot", Fallible),
    ("current_date", "current_date", Total),
    ("current_time", "current_time", Total),
    ("date_bin", "date_bin", Fallible),
    ("date_part", "date_part", Fallible),
    ("date_trunc", "date_trunc", Fallible),
    ("decode", "decode", Fallible),
    ("degrees", "degrees", Fallible),
    ("encode", "encode", Fallible),
    ("exp", "exp", Fallible),
    ("factorial", "factorial", Fallible),
    ("floor", "floor", Fallible),
    ("format", "format", Fallible),
    ("gcd", "gcd", Fallible),
    ("get_byte", "get_byte", Fallible),
    ("greatest", "greatest", Total),
    ("initcap", "initcap", Total),
    ("lcm", "lcm", Fallible),
    ("least", "least", Total),
    ("left", "left", Total),
    ("length", "character_length", Total),
    ("ln", "ln", Fallible),
    ("log", "log", Fallible),
    ("log10", "log10", Fallible),
    ("lower", "lower", Total),
    ("lpad", "lpad", Fallible),
    ("ltrim", "ltrim", Total),
    ("make_date", "make_date", Fallible),
    ("md5", "md5", Total),
    ("now", "now", Total),
    ("nullif", "nullif", Total),
    ("octet_length", "octet_length", Total),
    ("overlay", "overlay", Fallible),
    ("pi", "pi", Total),
    ("position", "strpos", Total),
    ("pow", "power", Fallible),
    ("power", "power", Fallible),
    ("radians", "radians", Fallible),
    ("random", "random", Fallible),
    ("regexp_count", "regexp_count", Fallible),
    ("regexp_instr", "regexp_instr", Fallible),
    ("regexp_like", "regexp_like", Fallible),
    ("regexp_match", "regexp_match", Fallible),
    ("regexp_replace", "regexp_replace", Fallible),
    ("replace", "replace", Fallible),
    ("reverse", "reverse", Total),
    ("right", "right", Total),
    ("round", "round", Fallible),
    ("rpad", "rpad", Fallible),
    ("rtrim", "rtrim", Total),
    ("sha224", "sha224", Total),
    ("sha256", "sha256", Total),
    ("sha384", "sha384", Total),
    ("sha512", "sha512", Total),
    ("sign", "signum", Fallible),
    ("sin", "sin", Fallible),
    ("split_part", "split_part", Fallible),
    ("sqrt", "sqrt", Fallible),
    ("starts_with", "starts_with", Total),
    ("string_to_array", "string_to_array", Fallible),
    ("strpos", "strpos", Total),
    ("substr", "substr", Fallible),
    ("substring", "substr", Fallible),
    ("tan", "tan", Fallible),
    ("timezone", "timezone", Fallible),
    ("to_char", "to_char", Fallible),
    ("to_date", "to_date", Fallible),
    ("to_hex", "to_hex", Total),
    ("to_timestamp", "to_timestamp_micros", Fallible),
    ("translate", "translate", Fallible),
    ("trim", "btrim", Total),
    ("trunc", "trunc", Fallible),
    ("upper", "upper", Total),
];

/// What the gate and the passes over a plan write; users can't call these by name, and all may fail.
const INTERNAL: &[&str] = &[
    "generate_series",
    "tg_array_contains",
    "tg_array_size",
    "tg_bytes",
    "tg_date_series",
    "tg_divide",
    "tg_flatten_index",
    "tg_flatten_key",
    "tg_flatten_path",
    "tg_flatten_this",
    "tg_flatten_value",
    "tg_get",
    "tg_int2",
    "tg_int4",
    "tg_int8",
    "tg_interval_times",
    "tg_is_null_value",
    "tg_join",
    "tg_json_text",
    "tg_jsonb_text",
    "tg_like",
    "tg_limit",
    "tg_list_json",
    "tg_minus",
    "tg_object_keys",
    "tg_offset",
    "tg_parse_json",
    "tg_plus",
    "tg_regex",
    "tg_row",
    "tg_row_json",
    "tg_row_text",
    "tg_text",
    "tg_times",
    "tg_try",
    "tg_try_parse_json",
    "tg_typeof",
];

/// Aggregate functions: PostgreSQL's name and the engine's.
const AGGREGATES: &[(&str, &str)] = &[
    ("any_value", "first_value"),
    ("array_agg", "array_agg"),
    ("avg", "avg"),
    ("bit_and", "bit_and"),
    ("bit_or", "bit_or"),
    ("bit_xor", "bit_xor"),
    ("bool_and", "bool_and"),
    ("bool_or", "bool_or"),
    ("corr", "corr"),
    ("count", "count"),
    ("covar_pop", "covar_pop"),
    ("covar_samp", "covar_samp"),
    ("every", "bool_and"),
    ("grouping", "grouping"),
    ("max", "max"),
    ("median", "median"),
    ("min", "min"),
    ("percentile_cont", "percentile_cont"),
    ("regr_avgx", "regr_avgx"),
    ("regr_avgy", "regr_avgy"),
    ("regr_count", "regr_count"),
    ("regr_intercept", "regr_intercept"),
    ("regr_r2", "regr_r2"),
    ("regr_slope", "regr_slope"),
    ("regr_sxx", "regr_sxx"),
    ("regr_sxy", "regr_sxy"),
    ("regr_syy", "regr_syy"),
    ("stddev", "stddev"),
    ("stddev_pop", "stddev_pop"),
    ("stddev_samp", "stddev"),
    ("string_agg", "string_agg"),
    ("sum", "sum"),
    ("var_pop", "var_pop"),
    ("var_samp", "var"),
    ("variance", "var"),
];

/// Window functions that aren't aggregates.
const WINDOWS: &[&str] = &[
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "nth_value",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
];

/// The name that users know of a function of the engine; nothing if they can't call it.
pub(crate) fn user_name(engine: &str) -> Option<&'static str> {
    let scalars = SCALARS.iter().map(|(name, engine, _)| (*name, *engine));
    let known =
        scalars.chain(AGGREGATES.iter().copied()).chain(WINDOWS.iter().map(|name| (*name, *name)));
    let mut known = known.filter(|(_, of)| *of == engine).map(|(name, _)| name);
    let first = known.next()?;
    // Of several names rather its own.
    Some(if first == engine { first } else { known.find(|name| *name == engine).unwrap_or(first) })
}

/// The functions that exist.
pub struct Registry {
    scalars: HashMap<&'static str, (Arc<ScalarUDF>, Totality)>,
    system: HashMap<&'static str, Arc<ScalarUDF>>,
    aggregates: HashMap<&'static str, Arc<AggregateUDF>>,
    windows: HashMap<&'static str, Arc<WindowUDF>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
    /// Functions that the gate itself writes; users can't call them.
    internal: HashMap<&'static str, Arc<ScalarUDF>>,
    /// What users get instead of the engine's function of a name.
    bounded: HashMap<String, Arc<ScalarUDF>>,
    /// The same for aggregate functions over windows.
    windowed: HashMap<String, Arc<AggregateUDF>>,
    /// Names of the engine's functions that a plan may hold.
    engine_names: std::collections::HashSet<String>,
    /// Under which statements that call them are planned.
    options: ConfigOptions,
}

impl Registry {
    /// The registry over an engine's implementations. A listed name that the engine lacks doesn't
    /// exist.
    pub fn new(source: &dyn UdfSource) -> Self {
        let mut engine_names = std::collections::HashSet::new();
        let mut scalars = HashMap::new();
        for (name, engine, totality) in SCALARS {
            if let Some(udf) = source.scalar(engine) {
                engine_names.insert(udf.name().to_owned());
                scalars.insert(*name, (udf, *totality));
            }
        }
        let mut system = HashMap::new();
        for name in SYSTEM {
            if let Some(udf) = source.scalar(name) {
                engine_names.insert(udf.name().to_owned());
                system.insert(*name, udf);
            }
        }
        let mut aggregates = HashMap::new();
        for (name, engine) in AGGREGATES {
            if let Some(udf) = source.aggregate(engine) {
                engine_names.insert(udf.name().to_owned());
                aggregates.insert(*name, udf);
            }
        }
        let mut windows = HashMap::new();
        for name in WINDOWS {
            if let Some(udf) = source.window(name) {
                engine_names.insert(udf.name().to_owned());
                windows.insert(*name, udf);
            }
        }
        let internal: HashMap<_, _> =
            INTERNAL.iter().filter_map(|name| Some((*name, source.scalar(name)?))).collect();
        engine_names.extend(internal.values().map(|udf| udf.name().to_owned()));
        // What the expression planners put in by themselves.
        for name in [
            "array_has",
            "make_array",
            "array_element",
            "array_slice",
            "date_part",
            "strpos",
            "substr",
            "overlay",
            "regexp_like",
            "array_concat",
            "array_append",
            "array_prepend",
            "array_to_string",
            "count",
            "get_field",
            "named_struct",
            "array_max",
            "array_min",
            "array_length",
            "cardinality",
            "empty",
            "array_any_value",
            "array_position",
        ] {
            engine_names.insert(name.to_owned());
        }
        let bounded = engine_names
            .iter()
            .filter_map(|name| Some((name.clone(), source.bounded(name)?)))
            .collect();
        let windowed = engine_names
            .iter()
            .filter_map(|name| Some((name.clone(), source.windowed(name)?)))
            .collect();
        let mut planners = vec![crate::operands::Operands::planner(|name| source.scalar(name))];
        planners.extend(source.expr_planners());
        Self {
            scalars,
            system,
            aggregates,
            windows,
            planners,
            internal,
            bounded,
            windowed,
            engine_names,
            options: crate::plan::options(),
        }
    }

    /// The scalar functions that users' queries may hold, as those call them.
    pub fn scalars(&self) -> impl Iterator<Item = (&'static str, Arc<ScalarUDF>)> {
        let all = self.scalars.iter().map(|(name, (udf, _))| (*name, udf));
        all.chain(self.internal.iter().map(|(name, udf)| (*name, udf)))
            .map(|(name, udf)| (name, self.bounded(udf.name()).unwrap_or_else(|| Arc::clone(udf))))
    }

    /// Whether a function of any kind has this PostgreSQL name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.scalars.contains_key(name)
            || self.system.contains_key(name)
            || self.aggregates.contains_key(name)
            || self.windows.contains_key(name)
    }

    pub(crate) fn is_system(&self, name: &str) -> bool {
        self.system.contains_key(name)
    }

    /// Whether a plan may hold the engine's function of this name.
    pub(crate) fn admits(&self, engine_name: &str) -> bool {
        self.engine_names.contains(engine_name)
    }

    pub(crate) fn scalar_udf(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalars
            .get(name)
            .map(|(udf, _)| Arc::clone(udf))
            .or_else(|| self.system.get(name).map(Arc::clone))
            .or_else(|| self.internal.get(name).map(Arc::clone))
    }

    /// A function that the gateway itself writes into a plan.
    pub(crate) fn internal_udf(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.internal.get(name).map(Arc::clone)
    }

    /// The bounded version of the engine's function of a name, if it needs one.
    pub(crate) fn bounded(&self, engine_name: &str) -> Option<Arc<ScalarUDF>> {
        self.bounded.get(engine_name).map(Arc::clone)
    }

    /// The bounded version of the engine's aggregate function of a name over a window.
    pub(crate) fn windowed(&self, engine_name: &str) -> Option<Arc<AggregateUDF>> {
        self.windowed.get(engine_name).map(Arc::clone)
    }

    pub(crate) fn aggregate_udf(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregates.get(name).map(Arc::clone)
    }

    pub(crate) fn window_udf(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.windows.get(name).map(Arc::clone)
    }

    pub(crate) fn options(&self) -> &ConfigOptions {
        &self.options
    }

    pub(crate) fn planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }
}

impl tollgate_policy::FunctionSource for Registry {
    fn view(&self, sql: &str, catalog: &Snapshot) -> Result<(Vec<Column>, View), Error> {
        crate::views::declare(self, sql, catalog)
    }

    fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        match self.scalars.get(name) {
            Some((udf, Total)) => Some(Arc::clone(udf)),
            Some((_, Fallible)) | None => None,
        }
    }
}
