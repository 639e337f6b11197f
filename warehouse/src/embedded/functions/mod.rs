//! The functions that the engine has to offer, by the engine's names.
//!
//! Which of them exist for users is the rewriter's registry's to say. Where the engine's function of
//! a name does something else than PostgreSQL's, ours shadows it.

mod argument;
mod attempt;
mod bounded;
mod byte;
mod date_part;
mod document;
mod format;
mod interval;
mod join;
mod limit;
mod moment;
mod number;
mod output;
mod pattern;
mod plain;
mod quotient;
mod row;
mod text;
mod whole;
mod windowed;
mod zone;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::config::ConfigOptions;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use tollgate_rewriter::UdfSource;

use bounded::{BOUNDED, Bounded, Growth};
use windowed::{COLLECTING, Windowed};

/// The engine's functions.
pub(crate) struct Functions {
    scalars: HashMap<String, Arc<ScalarUDF>>,
    bounded: HashMap<String, Arc<ScalarUDF>>,
    aggregates: HashMap<String, Arc<AggregateUDF>>,
    windowed: HashMap<String, Arc<AggregateUDF>>,
    windows: HashMap<String, Arc<WindowUDF>>,
}

impl Functions {
    /// The engine's own functions; ours shadow those of the same name.
    pub(crate) fn new() -> Self {
        // `now()` and its like yield timestamps with a time zone, as PostgreSQL's.
        let mut config = ConfigOptions::new();
        config.execution.time_zone = Some("+00:00".to_owned());
        let mut scalars = HashMap::new();
        for udf in SessionStateDefaults::default_scalar_functions() {
            let udf = udf.inner().with_updated_config(&config).map_or(udf, Arc::new);
            add(&mut scalars, udf.name(), udf.aliases(), &udf);
        }
        let to_timestamp = Arc::new(ScalarUDF::from(text::Patterned::new(text::Kind::Timestamp)));
        let join = Arc::new(ScalarUDF::from(join::Join::new()));
        let join = Bounded::new(join, "||", Growth::Sum);
        for udf in [
            Arc::new(ScalarUDF::from(date_part::DatePart::new())),
            Arc::new(ScalarUDF::from(text::Patterned::new(text::Kind::Char))),
            Arc::new(ScalarUDF::from(text::Patterned::new(text::Kind::Date))),
            Arc::clone(&to_timestamp),
            Arc::new(ScalarUDF::from(attempt::Attempt::new())),
            Arc::new(ScalarUDF::from(byte::GetByte::new())),
            Arc::new(ScalarUDF::from(byte::Bytes::new())),
            Arc::new(ScalarUDF::from(document::Get::new())),
            Arc::new(ScalarUDF::from(format::Format::new())),
            Arc::new(ScalarUDF::from(interval::Intervals::new(interval::Kind::Age))),
            Arc::new(ScalarUDF::from(interval::Intervals::new(interval::Kind::Series))),
            Arc::new(ScalarUDF::from(interval::Intervals::new(interval::Kind::Times))),
            Arc::new(ScalarUDF::from(join)),
            Arc::new(ScalarUDF::from(output::Text::new())),
            Arc::new(ScalarUDF::from(pattern::Pattern::new(false))),
            Arc::new(ScalarUDF::from(pattern::Pattern::new(true))),
            Arc::new(ScalarUDF::from(quotient::Quotient::new())),
            Arc::new(ScalarUDF::from(row::Json::new(row::Source::List))),
            Arc::new(ScalarUDF::from(row::Json::new(row::Source::Row))),
            Arc::new(ScalarUDF::from(row::JsonText::of_json())),
            Arc::new(ScalarUDF::from(row::JsonText::of_jsonb())),
            Arc::new(ScalarUDF::from(row::Row::new())),
            Arc::new(ScalarUDF::from(row::RowText::new())),
            Arc::new(ScalarUDF::from(limit::Count::new(limit::Clause::Limit))),
            Arc::new(ScalarUDF::from(limit::Count::new(limit::Clause::Offset))),
            Arc::new(ScalarUDF::from(whole::Checked::new(whole::Operation::Minus))),
            Arc::new(ScalarUDF::from(whole::Checked::new(whole::Operation::Plus))),
            Arc::new(ScalarUDF::from(whole::Checked::new(whole::Operation::Times))),
            Arc::new(ScalarUDF::from(whole::Rounded::new(DataType::Int16))),
            Arc::new(ScalarUDF::from(whole::Rounded::new(DataType::Int32))),
            Arc::new(ScalarUDF::from(whole::Rounded::new(DataType::Int64))),
            Arc::new(ScalarUDF::from(zone::AtTimeZone::new())),
        ] {
            add(&mut scalars, udf.name(), udf.aliases(), &udf);
        }
        for flatten in document::Flatten::all() {
            let udf = Arc::new(ScalarUDF::from(flatten));
            add(&mut scalars, udf.name(), udf.aliases(), &udf);
        }
        for document in document::Document::all() {
            let udf = Arc::new(ScalarUDF::from(document));
            add(&mut scalars, udf.name(), udf.aliases(), &udf);
        }
        // The engine's takes microseconds; PostgreSQL has seconds only.
        scalars.insert("to_timestamp_micros".to_owned(), to_timestamp);
        let bounded = BOUNDED.iter().filter_map(|(engine, name, growth)| {
            let inner = Arc::clone(scalars.get(*engine)?);
            let key = inner.name().to_owned();
            Some((key, Arc::new(ScalarUDF::from(Bounded::new(inner, name, *growth)))))
        });
        let bounded = bounded.collect();
        let mut aggregates = HashMap::new();
        for udf in SessionStateDefaults::default_aggregate_functions() {
            add(&mut aggregates, udf.name(), udf.aliases(), &udf);
        }
        let windowed = COLLECTING.iter().filter_map(|(name, limit)| {
            let udf = Windowed::new(Arc::clone(aggregates.get(*name)?), *limit);
            Some(((*name).to_owned(), Arc::new(AggregateUDF::from(udf))))
        });
        let windowed = windowed.collect();
        let mut windows = HashMap::new();
        for udf in SessionStateDefaults::default_window_functions() {
            add(&mut windows, udf.name(), udf.aliases(), &udf);
        }
        Self { scalars, bounded, aggregates, windowed, windows }
    }
}

fn add<T>(all: &mut HashMap<String, Arc<T>>, name: &str, aliases: &[String], udf: &Arc<T>) {
    for name in aliases.iter().map(String::as_str).chain([name]) {
        all.insert(name.to_owned(), Arc::clone(udf));
    }
}

impl UdfSource for Functions {
    fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalars.get(name).map(Arc::clone)
    }

    fn bounded(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.bounded.get(name).map(Arc::clone)
    }

    fn aggregate(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregates.get(name).map(Arc::clone)
    }

    fn windowed(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.windowed.get(name).map(Arc::clone)
    }

    fn window(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.windows.get(name).map(Arc::clone)
    }

    fn expr_planners(&self) -> Vec<Arc<dyn ExprPlanner>> {
        let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(date_part::Extract::new())];
        planners.extend(SessionStateDefaults::default_expr_planners());
        planners
    }
}

#[cfg(test)]
mod tests;
