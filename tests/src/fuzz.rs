//! A short run of the fuzzing of statements, with the functions and system catalogs of a real
//! gateway: every seed, and some thousands of mutations. `cargo xtask fuzz secure` goes on from there.

#[path = "../../fuzz/secure/src/mutate.rs"]
mod mutate;
#[path = "../../fuzz/secure/src/seeds.rs"]
mod seeds;
#[path = "../../fuzz/secure/src/world.rs"]
pub mod world;

use std::cell::RefCell;
use std::rc::Rc;

use tollgate_gateway::introspect::SystemRelations;
use tollgate_warehouse::embedded::Embedded;

use crate::harness;
use mutate::Noise;
use world::World;

/// Mutations of a run, unless `TOLLGATE_MUTATIONS` says how many.
const MUTATIONS: u64 = 2000;

/// The stack of a runtime's thread.
const STACK: usize = 2 << 20;

/// Prints the statement that a panic came from; a stack overflow shows the last one written.
struct Current(Rc<RefCell<String>>);

impl Drop for Current {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0.borrow());
        }
    }
}

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name).map_or(or, |value| value.parse().unwrap())
}

/// Two threads with stacks as small as those that serve clients.
#[test]
fn statements_and_their_mutations_keep_every_promise() {
    let first = number("TOLLGATE_SEED", 1);
    let mutations = number("TOLLGATE_MUTATIONS", MUTATIONS);
    let threads = (0..2).map(|thread| {
        let run = move || run(first, mutations, thread);
        std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap()
    });
    let threads: Vec<_> = threads.collect();
    let secured: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    println!("{secured} statements were secured");
    assert!(secured > 100, "only {secured} statements got through: the seeds have gone stale");
}

/// The seeds and mutations of one of two threads.
fn run(first: u64, mutations: u64, thread: u64) -> usize {
    let functions = tollgate_gateway::Functions::new(Embedded::udf_source());
    let world = World::new(&functions, Box::new(SystemRelations));
    let seeds = seeds::read(&harness::cases());
    let current = Current(Rc::default());
    let mut secured = 0;
    for (number, seed) in seeds.iter().enumerate() {
        if number as u64 % 2 == thread {
            *current.0.borrow_mut() = format!("seed statement {number}:\n{seed}");
            secured += world.check(seed);
        }
    }
    for seed in (first..first + mutations).filter(|seed| seed % 2 == thread) {
        let mut noise = Noise::new(seed);
        let origin = &seeds[noise.below(seeds.len())];
        let text = mutate::mutate(origin, &seeds, &mut noise);
        *current.0.borrow_mut() =
            format!("TOLLGATE_SEED={seed} TOLLGATE_MUTATIONS=1 repeats it:\n{text}");
        secured += world.check(&text);
    }
    secured
}
