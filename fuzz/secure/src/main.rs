//! Coverage-guided fuzzing of the road from a statement's text to a secured plan.
//!
//! With `TOLLGATE_SEEDS` the seeds are written to that folder first.

#![no_main]

mod mutate;
mod seeds;
mod world;

use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_expr::planner::ExprPlanner;
use datafusion_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use tollgate_catalog::TableName;
use tollgate_rewriter::{SystemSchemas, UdfSource};

/// The engine's functions without the engine.
struct Functions;

fn named<T>(all: Vec<Arc<T>>, is: impl Fn(&T) -> bool) -> Option<Arc<T>> {
    all.into_iter().find(|udf| is(udf))
}

impl UdfSource for Functions {
    fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let mut all = datafusion_functions::all_default_functions();
        all.extend(datafusion_functions_nested::all_default_nested_functions());
        named(all, |udf| udf.name() == name || udf.aliases().iter().any(|alias| alias == name))
    }

    fn aggregate(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        let all = datafusion_functions_aggregate::all_default_aggregate_functions();
        named(all, |udf| udf.name() == name || udf.aliases().iter().any(|alias| alias == name))
    }

    fn window(&self, name: &str) -> Option<Arc<WindowUDF>> {
        named(datafusion_functions_window::all_default_window_functions(), |udf| udf.name() == name)
    }

    fn expr_planners(&self) -> Vec<Arc<dyn ExprPlanner>> {
        vec![
            Arc::new(datafusion_functions::core::planner::CoreFunctionPlanner::default()),
            Arc::new(datafusion_functions_nested::planner::NestedFunctionPlanner),
            Arc::new(datafusion_functions_nested::planner::FieldAccessPlanner),
            Arc::new(datafusion_functions::datetime::planner::DatetimeFunctionPlanner),
            Arc::new(datafusion_functions::unicode::planner::UnicodeFunctionPlanner),
            Arc::new(datafusion_functions_aggregate::planner::AggregateFunctionPlanner),
            Arc::new(datafusion_functions_window::planner::WindowFunctionPlanner),
        ]
    }
}

/// A few relations of the system catalogs, which are the gateway's.
struct FewRelations;

impl SystemSchemas for FewRelations {
    fn schema(&self, name: &TableName) -> Option<SchemaRef> {
        let columns: &[(&str, DataType)] = match (name.schema.as_str(), name.table.as_str()) {
            ("pg_catalog", "pg_class") => &[
                ("oid", DataType::UInt32),
                ("relname", DataType::Utf8),
                ("relnamespace", DataType::UInt32),
                ("relkind", DataType::Utf8),
            ],
            ("pg_catalog", "pg_namespace") => {
                &[("oid", DataType::UInt32), ("nspname", DataType::Utf8)]
            }
            ("pg_catalog", "pg_attribute") => &[
                ("attrelid", DataType::UInt32),
                ("attname", DataType::Utf8),
                ("atttypid", DataType::UInt32),
                ("attnum", DataType::Int16),
            ],
            ("pg_catalog", "pg_type") => &[("oid", DataType::UInt32), ("typname", DataType::Utf8)],
            ("information_schema", "tables" | "columns") => {
                &[("table_schema", DataType::Utf8), ("table_name", DataType::Utf8)]
            }
            _ => return None,
        };
        let fields = columns.iter().map(|(name, of)| Field::new(*name, of.clone(), true));
        Some(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }
}

static SEEDS: LazyLock<Vec<String>> =
    LazyLock::new(|| seeds::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases")));

type Job = (String, Sender<()>);

/// The thread that checks: its stack is as small as that of a runtime's thread.
static CHECKER: LazyLock<Mutex<Sender<Job>>> = LazyLock::new(|| {
    let (jobs, queue) = channel::<Job>();
    let check = move || {
        let world = world::World::new(&Functions, Box::new(FewRelations));
        for (text, done) in queue {
            world.check(&text);
            let _ = done.send(());
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(check).expect("a thread");
    Mutex::new(jobs)
});

fn write_seeds() {
    let Some(folder) = std::env::var_os("TOLLGATE_SEEDS") else { return };
    std::fs::create_dir_all(&folder).expect("the folder of seeds");
    for (number, seed) in SEEDS.iter().enumerate() {
        std::fs::write(Path::new(&folder).join(format!("seed-{number}")), seed).expect("a seed");
    }
}

fuzz_target!(
    init: write_seeds(),
    |data: &[u8]| {
        let Ok(text) = std::str::from_utf8(data) else { return };
        let (done, wait) = channel();
        let job = (text.to_owned(), done);
        CHECKER.lock().expect("one fuzzer").send(job).expect("the checker is there");
        wait.recv().expect("the checker has ended");
    }
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut noise = mutate::Noise::new(u64::from(seed));
    // Sometimes by bytes, which finds what nobody thought of.
    if noise.below(4) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let text = String::from_utf8_lossy(&data[..size]).into_owned();
    let mut text = mutate::mutate(&text, &SEEDS, &mut noise);
    let mut end = text.len().min(max_size);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    data[..end].copy_from_slice(text.as_bytes());
    end
});
