//! `FLATTEN`, which is the one thing that is unnested at a Snowflake.

use datafusion_common::ScalarValue;
use datafusion_expr::logical_plan::Unnest;
use datafusion_expr::{Expr, LogicalPlan};
use datafusion_sql::sqlparser::ast::{
    Expr as SqlExpr, FunctionArg, FunctionArgExpr, FunctionArgOperator, Value,
};
use tollgate_catalog::Error;

use crate::operands::{Asked, Element, Mode, is_path};
use crate::render::block::Block;
use crate::render::node::Outer;
use crate::render::{Printed, Printer, Row, quote};

/// Its name, and the words for arguments, as they are printed.
pub(in crate::render) const FLATTEN: &str = "FLATTEN";
const INPUT: &str = "INPUT";
const PATH: &str = "PATH";
pub(in crate::render) const OUTER: &str = "OUTER";
pub(in crate::render) const RECURSIVE: &str = "RECURSIVE";
const MODE: &str = "MODE";

impl Printer {
    /// The rows of a node with the elements of a value. What is flattened is a column of a derived table.
    pub(in crate::render) fn flatten(
        &mut self,
        node: &Unnest,
        outer: Outer<'_>,
    ) -> Result<Block, Error> {
        let refused = |printer: &Self| printer.dialect.unsupported("UNNEST");
        let LogicalPlan::Projection(made) = node.input.as_ref() else {
            return Err(refused(self));
        };
        let lists = &node.list_type_columns;
        if !node.struct_type_columns.is_empty() || lists.iter().any(|(_, list)| list.depth != 1) {
            return Err(refused(self));
        }
        let block = self.block(&made.input, outer)?;
        let block = self.open(block)?;
        let row = Row { schema: made.input.schema(), columns: &block.columns, outer };
        // The columns of the rows, and for each of the node's input which of them or which element it is.
        let mut columns = Vec::with_capacity(made.expr.len() + 1);
        let mut sources = Vec::with_capacity(made.expr.len());
        let mut asked: Option<&[Expr]> = None;
        for (index, expr) in made.expr.iter().enumerate() {
            let is_list = lists.iter().any(|(list, _)| *list == index);
            match (element(expr), is_list) {
                (Some((element, arguments)), true)
                    if asked.is_none_or(|known| known == arguments) =>
                {
                    asked = Some(arguments);
                    sources.push(Source::Element(element));
                }
                (None, false) => {
                    sources.push(Source::Column(columns.len()));
                    columns.push(self.expr(expr, row)?);
                }
                (Some(_), _) | (None, true) => return Err(refused(self)),
            }
        }
        let Some([value, Expr::Literal(ScalarValue::Utf8(Some(asked)), _)]) = asked else {
            return Err(refused(self));
        };
        let asked = Asked::of(asked).ok_or_else(|| refused(self))?;
        let input = columns.len();
        columns.push(self.expr(value, row)?);
        let rows = self.wrap(&Block { columns, computed: true, ..block })?;
        let value = rows.columns.get(input);
        let value = value.ok_or_else(|| Error::internal("what is flattened is no column"))?;
        let alias = self.name();
        let quoted = quote(&alias)?;
        let rest = self.asked(&asked)?;
        let from =
            format!("{}, LATERAL {FLATTEN}({INPUT} => {value}{rest}) AS {quoted}", rows.from);
        self.printed.table_functions.insert(FLATTEN.to_owned());
        self.printed.aliases.insert(alias);
        let mut columns = Vec::with_capacity(node.dependency_indices.len());
        for (index, field) in node.dependency_indices.iter().zip(node.schema.fields()) {
            let column = match sources.get(*index) {
                Some(Source::Column(index)) => rows.columns.get(*index).cloned(),
                Some(Source::Element(element)) => {
                    let name = quote(&element.name().to_ascii_uppercase())?;
                    Some(self.typed(format!("{quoted}.{name}"), field.data_type())?)
                }
                None => None,
            };
            let column = column.ok_or_else(|| Error::internal("an unnested column is missing"))?;
            columns.push(column);
        }
        // With the comma in a FROM of its own.
        self.wrap(&Block { from, columns, computed: true, ..Block::default() })
    }

    /// The arguments behind the input.
    fn asked(&mut self, asked: &Asked) -> Result<String, Error> {
        let mut text = String::new();
        if !asked.path.is_empty() {
            // It must be a constant, and holds no sign that means anything to a lexer.
            if !is_path(&asked.path) {
                return Err(Error::internal("a path holds a character that it can't"));
            }
            self.printed.paths.insert(asked.path.clone());
            text.push_str(&format!(", {PATH} => '{}'", asked.path));
        }
        for (word, is) in [(OUTER, asked.outer), (RECURSIVE, asked.recursive)] {
            if is {
                self.printed.words.insert(word);
                text.push_str(&format!(", {word} => TRUE"));
            }
        }
        if asked.mode != Mode::Both {
            let mode = self.quoted(asked.mode.word())?;
            text.push_str(&format!(", {MODE} => {mode}"));
        }
        Ok(text)
    }
}

/// Whether arguments are those of a call that was printed: of a column, and each of the others once, in order.
pub(in crate::render) fn is_printed(args: &[FunctionArg], printed: &Printed) -> bool {
    let named = |arg: &FunctionArg| match arg {
        FunctionArg::Named {
            name,
            arg: FunctionArgExpr::Expr(value),
            operator: FunctionArgOperator::RightArrow,
        } if name.quote_style.is_none() => Some((name.value.clone(), value.clone())),
        FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } | FunctionArg::Unnamed(_) => None,
    };
    let Some(args) = args.iter().map(named).collect::<Option<Vec<_>>>() else { return false };
    let order = [INPUT, PATH, OUTER, RECURSIVE, MODE];
    let places = args.iter().map(|(name, _)| order.iter().position(|word| word == name));
    let Some(places) = places.collect::<Option<Vec<_>>>() else { return false };
    let fits = |(name, value): &(String, SqlExpr)| match (name.as_str(), value) {
        (INPUT, SqlExpr::CompoundIdentifier(_)) => true,
        (PATH, SqlExpr::Value(value)) => match &value.value {
            Value::SingleQuotedString(path) => printed.paths.contains(path),
            _ => false,
        },
        (OUTER | RECURSIVE, SqlExpr::Value(value)) => {
            printed.words.contains(name.as_str()) && value.value == Value::Boolean(true)
        }
        (MODE, SqlExpr::Value(value)) => match &value.value {
            Value::SingleQuotedString(mode) => {
                matches!(mode.as_str(), "OBJECT" | "ARRAY") && printed.literals.contains(mode)
            }
            _ => false,
        },
        _ => false,
    };
    places.first() == Some(&0) && places.is_sorted_by(|a, b| a < b) && args.iter().all(fits)
}

/// What a column of the node's input is.
enum Source {
    /// One of the rows.
    Column(usize),
    /// Of the elements.
    Element(Element),
}

/// The list of elements that an expression is, and of what it is one.
fn element(expr: &Expr) -> Option<(Element, &[Expr])> {
    match expr {
        Expr::Alias(alias) => element(&alias.expr),
        Expr::ScalarFunction(call) => Some((Element::of(call.name())?, call.args.as_slice())),
        _ => None,
    }
}
