//! Replaces `*` by the columns it stands for. Only so can two columns of one name be distinguished if one of them comes from a `*`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, VisitMut, VisitorMut,
};

use super::columns;
use super::pieces::{last, select_of};

/// Writes out each `*` of the outermost SELECTs where that is the only way to tell two columns of one name apart.
pub(super) fn write_out(query: &mut Query) {
    let several = select_of(query).is_some_and(|select| select.projection.len() > 1);
    if !several {
        return;
    }
    let mut work = WriteOut { depth: 0 };
    let _ = VisitMut::visit(query, &mut work);
}

struct WriteOut {
    depth: usize,
}

impl VisitorMut for WriteOut {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let stars =
            select.projection.iter().any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
        if self.depth == 1
            && stars
            && let Some(sources) = columns::sources(select)
        {
            select.projection =
                std::mem::take(&mut select.projection).into_iter().flat_map(|item| written_out(item, &sources)).collect();
        }
        ControlFlow::Continue(())
    }
}

fn written_out(item: SelectItem, sources: &[(String, columns::Columns)]) -> Vec<SelectItem> {
    let wanted = match &item {
        SelectItem::Wildcard(_) => None,
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => Some(last(name)),
        _ => return vec![item],
    };
    let sources = sources.iter().filter(|(table, _)| wanted.as_ref().is_none_or(|wanted| wanted == table));
    let quoted = |name: &String| Ident::with_quote('"', name.clone());
    let column =
        |table: &String, name: &String| SelectItem::UnnamedExpr(Expr::CompoundIdentifier(vec![quoted(table), quoted(name)]));
    sources.flat_map(|(table, columns)| columns.iter().map(|(name, _)| column(table, name)).collect::<Vec<_>>()).collect()
}
