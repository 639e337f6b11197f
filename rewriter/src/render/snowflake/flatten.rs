//! `FLATTEN`, which is the one thing that is unnested at a Snowflake.

use datafusion_common::ScalarValue;
use datafusion_expr::logical_plan::Unnest;
use datafusion_expr::{Expr, LogicalPlan};
use tollgate_catalog::Error;

use crate::operands::Element;
use crate::render::block::Block;
use crate::render::node::Outer;
use crate::render::{Printer, Row, quote};

/// Its name, and the word for an argument, as they are printed.
pub(in crate::render) const FLATTEN: &str = "FLATTEN";
pub(in crate::render) const OUTER: &str = "OUTER";

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
        let Some([value, Expr::Literal(ScalarValue::Boolean(Some(keeps)), _)]) = asked else {
            return Err(refused(self));
        };
        let input = columns.len();
        columns.push(self.expr(value, row)?);
        let rows = self.wrap(&Block { columns, computed: true, ..block })?;
        let value = rows.columns.get(input);
        let value = value.ok_or_else(|| Error::internal("what is flattened is no column"))?;
        let alias = self.name();
        let quoted = quote(&alias)?;
        let keeps = match keeps {
            true => {
                self.printed.words.insert(OUTER);
                format!(", {OUTER} => TRUE")
            }
            false => String::new(),
        };
        let from = format!("{}, LATERAL {FLATTEN}(INPUT => {value}{keeps}) AS {quoted}", rows.from);
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
