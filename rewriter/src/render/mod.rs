//! A secured plan as one statement for PostgreSQL or Snowflake.
//!
//! What is printed is the plan that was checked: the lineage of masked columns was proven on it, and
//! every name in it is already a position. Each node becomes a block `SELECT … FROM …`; a block that
//! can't take the next node's clause is wrapped into a derived table whose columns are `c0`, `c1`, ….
//! Every relation, column and function has a name that this printer gave; what the client wrote
//! occurs nowhere. A node, an expression, a function, an operator, a type or a cast that isn't in a
//! table here is refused by its name. The two warehouses share this road; where their words differ, a
//! [`Dialect`] says which are meant, and every place names both.
//!
//! | module | |
//! |---|---|
//! | `node`, `join` | nodes of the plan as blocks |
//! | `block` | a `SELECT` that takes clauses as long as it can |
//! | `source` | a base table as its secured relation |
//! | `barrier` | whether that relation must be closed to the user's conditions |
//! | `expr`, `function`, `aggregate`, `mask` | expressions |
//! | `literal`, `types` | values |
//! | `template` | a text for all values of parameters |
//! | `snowflake` | what Snowflake spells in its own way, and its barrier |
//! | `verify` | parses the finished text and proves what is in it |
//!
//! [`Rendering`] can't be made in another way:
//!
//! ```compile_fail,E0451
//! fn swap(rendering: tollgate_rewriter::Rendering) -> tollgate_rewriter::Rendering {
//!     tollgate_rewriter::Rendering { text: "DROP TABLE t".into(), ..rendering }
//! }
//! ```
//!
//! ```compile_fail,E0616
//! fn swap(rendering: &mut tollgate_rewriter::Rendering) {
//!     rendering.text = "DROP TABLE t".into();
//! }
//! ```
//!
//! ```
//! fn read(rendering: &tollgate_rewriter::Rendering) -> &str {
//!     rendering.text()
//! }
//! ```

mod aggregate;
mod barrier;
mod block;
mod expr;
mod function;
mod join;
mod literal;
mod mask;
mod node;
mod snowflake;
mod source;
mod template;
mod types;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::DFSchema;
use datafusion_expr::LogicalPlan;
use tollgate_catalog::pg_type::is_document;
use tollgate_catalog::{Error, ErrorKind};

use crate::sample::Sample;
use crate::secured::OutputColumn;

pub(crate) use snowflake::views::is_guardable;
use template::Places;
pub(crate) use template::Template;

/// The longest statement that is sent, in bytes.
const MAX_TEXT: usize = 4 << 20;
/// The most values that one statement binds: the protocol counts them with 16 bits.
const MAX_PARAMETERS: usize = 65_535;

/// A value that is bound, never written into the text.
#[derive(Clone, PartialEq, Eq)]
pub enum Parameter {
    /// Of type text.
    Text(String),
    /// Of type bytea.
    Bytes(Vec<u8>),
    /// A client's value of another type, as a literal of that type is written; nothing for NULL.
    Written {
        /// The words.
        text: Option<String>,
        /// The type.
        data_type: DataType,
    },
}

// Values may be attributes of a person, or keys.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(..)",
            Self::Bytes(_) => "Bytes(..)",
            Self::Written { .. } => "Written(..)",
        })
    }
}

/// A secured statement as text for a warehouse: printed and verified here.
#[derive(Debug)]
pub struct Rendering {
    text: Arc<str>,
    parameters: Vec<Parameter>,
}

impl Rendering {
    /// The statement.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The values of `$1`, `$2`, …, or `:1`, `:2`, …
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }
}

/// Whose words are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Snowflake,
}

impl Dialect {
    /// The refusal of what the warehouse isn't asked for.
    fn unsupported(self, what: &str) -> Error {
        let kind = match self {
            Self::Postgres => "postgres",
            Self::Snowflake => "snowflake",
        };
        Error::new(
            ErrorKind::NotSupported,
            format!("{what} is not supported on a warehouse of kind \"{kind}\""),
        )
        .with_hint("write the statement in another way")
    }
}

/// Prints and verifies. Its columns are cast to the types of `output`, by position.
pub(crate) fn render(
    dialect: Dialect,
    plan: &LogicalPlan,
    output: &[OutputColumn],
) -> Result<Rendering, Error> {
    print(dialect, plan, output, None).map(|(rendering, _)| rendering)
}

/// The same, with places for a client's values where they may be left open.
fn print(
    dialect: Dialect,
    plan: &LogicalPlan,
    output: &[OutputColumn],
    places: Option<Places>,
) -> Result<(Rendering, Option<Places>), Error> {
    let mut needed = barrier::needed(plan)?;
    // The JSON of a value may be longer than a text can be.
    if output.iter().any(|column| is_document(&column.data_type)) {
        needed.raise();
    }
    let mut printer = Printer { places, ..Printer::new(dialect, needed) };
    let text = printer.statement(plan, output)?;
    // After printing, whose errors say more about what isn't known at all.
    if dialect == Dialect::Snowflake && printer.barrier.guards() {
        snowflake::guard(plan)?;
    }
    verify::verify(dialect, &text, &printer.printed, printer.parameters.len())?;
    let rendering = Rendering { text: text.into(), parameters: printer.parameters };
    Ok((rendering, printer.places))
}

/// What was printed, for `verify`.
#[derive(Debug, Default)]
struct Printed {
    /// The generated derived tables over base tables, by alias: their text, and the tables in it.
    secured: BTreeMap<String, Secured>,
    /// The aliases of all other derived tables, table functions and recursive references.
    aliases: BTreeSet<String>,
    /// The names of recursive queries.
    recursive: BTreeSet<String>,
    functions: BTreeSet<String>,
    /// What looks like a function but is syntax.
    words: BTreeSet<&'static str>,
    table_functions: BTreeSet<String>,
    literals: BTreeSet<String>,
    /// Where in values FLATTEN begins.
    paths: BTreeSet<String>,
    /// Numbers without quotes, where a warehouse wants them so.
    numbers: BTreeSet<String>,
    /// Samples of base tables.
    samples: BTreeSet<String>,
}

/// A generated derived table.
#[derive(Debug)]
struct Secured {
    text: String,
    /// The base tables that it names, its own and those of lookups, with repetitions.
    tables: Vec<Vec<String>>,
}

/// The columns that an expression may name: those of the rows it is evaluated on, and around.
#[derive(Clone, Copy)]
struct Row<'a> {
    schema: &'a DFSchema,
    /// What each is called in the text.
    columns: &'a [String],
    outer: Option<&'a Row<'a>>,
}

/// The state of printing one statement.
struct Printer {
    dialect: Dialect,
    parameters: Vec<Parameter>,
    /// Where a client's values will be, if they may come later.
    places: Option<Places>,
    texts: BTreeMap<String, usize>,
    names: usize,
    barrier: barrier::Needed,
    /// Recursive queries around: the plan's name and ours.
    recursive: Vec<(String, String)>,
    /// Base tables named since the secured relation that is being printed began.
    base: Option<Vec<Vec<String>>>,
    /// The sample that the raw table is to be of that comes next.
    sample: Option<Sample>,
    printed: Printed,
}

impl Printer {
    fn new(dialect: Dialect, barrier: barrier::Needed) -> Self {
        Self {
            dialect,
            parameters: Vec::new(),
            places: None,
            texts: BTreeMap::new(),
            names: 0,
            barrier,
            recursive: Vec::new(),
            base: None,
            sample: None,
            printed: Printed::default(),
        }
    }

    /// A truth value.
    fn boolean(&mut self, value: bool) -> Result<String, Error> {
        let name = self.dialect.name(&DataType::Boolean, false)?;
        self.written(if value { "true" } else { "false" }, &name)
    }

    /// How a parameter is named.
    fn placeholder(&self, number: usize) -> String {
        match self.dialect {
            Dialect::Postgres => format!("${number}"),
            Dialect::Snowflake => format!(":{number}"),
        }
    }

    /// A new name of a relation.
    fn name(&mut self) -> String {
        self.names += 1;
        format!("t{}", self.names)
    }

    fn parameter(&mut self, value: Parameter) -> Result<String, Error> {
        if let Parameter::Text(text) = &value
            && let Some(known) = self.texts.get(text)
        {
            return Ok(self.placeholder(*known));
        }
        if self.parameters.len() >= MAX_PARAMETERS {
            return Err(Error::new(
                ErrorKind::ProgramLimit,
                format!("the statement holds more than {MAX_PARAMETERS} texts"),
            ));
        }
        let number = self.parameters.len() + 1;
        if let Parameter::Text(text) = &value {
            self.texts.insert(text.clone(), number);
        }
        self.parameters.push(value);
        Ok(self.placeholder(number))
    }
}

/// An identifier, quoted.
fn quote(name: &str) -> Result<String, Error> {
    if name.is_empty() || name.contains('\0') {
        return Err(Error::internal("a name is empty or holds a zero byte"));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests;
