//! Finds the people that a statement names by an id: `person_id = '003…'`, `id IN ('003…', '00Q…')`.
//!
//! A statement that compares anything with the id of a contact or lead is a look-up of that person, whichever table it reads and
//! whatever the column is called. The plan is searched before anything is rewritten and with its parameters bound, so only ids
//! count that were typed or given. An id behind `NOT` or `<>` names nobody. A list of more than [`FEW`] people counts as a
//! statement about many, as an audience is, and about many there is no look-up of each.
//!
//! An address, a name, and a part of an id are not found here.

use std::collections::BTreeSet;

use arrow::array::Array;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};

use crate::record::id::SfId;

/// People a statement may name by their ids and be about each of them.
const FEW: usize = 20;

/// The people a plan names, each once; nobody where it names more than a few. A plan that is only explained shows nobody.
pub(super) fn people(plan: &LogicalPlan) -> DfResult<Vec<SfId>> {
    let mut named = BTreeSet::new();
    if !matches!(plan, LogicalPlan::Explain(_)) {
        plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expr| {
                expr.apply(|expr| {
                    note(expr, &mut named);
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
    }
    Ok(if named.len() > FEW { Vec::new() } else { named.into_iter().collect() })
}

fn note(expr: &Expr, named: &mut BTreeSet<SfId>) {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq | Operator::IsNotDistinctFrom, right }) => {
            named.extend([left, right].into_iter().filter_map(|side| person(side)));
        }
        // `'003…' IN (contact_id, lead_id)` names somebody, too.
        Expr::InList(list) if !list.negated => named.extend(list.list.iter().chain([&*list.expr]).filter_map(person)),
        // `person_id = ANY($1)`, as clients give a list.
        Expr::ScalarFunction(call) if call.name() == "array_has" => named.extend(call.args.iter().flat_map(listed)),
        Expr::Like(like) if !like.negated => named.extend(person(&like.pattern)),
        Expr::Case(case) if case.expr.is_some() => {
            named.extend(case.when_then_expr.iter().filter_map(|(when, _)| person(when)));
        }
        Expr::Between(between) if !between.negated => {
            named.extend([&between.low, &between.high].into_iter().filter_map(|end| person(end)));
        }
        _ => {}
    }
}

/// The people whose ids a list has.
fn listed(expr: &Expr) -> Vec<SfId> {
    match expr {
        Expr::Literal(ScalarValue::List(list), _) => {
            let items = list.values();
            let values = (0..items.len()).filter_map(|at| ScalarValue::try_from_array(items, at).ok());
            values.filter_map(|value| id_of(&value)).collect()
        }
        Expr::ScalarFunction(call) if call.name() == "make_array" => call.args.iter().filter_map(person).collect(),
        Expr::Cast(cast) => listed(&cast.expr),
        _ => Vec::new(),
    }
}

fn id_of(value: &ScalarValue) -> Option<SfId> {
    value.try_as_str().flatten().and_then(|text| SfId::of_person(text.trim()).ok())
}

/// The person whose id a value is.
fn person(expr: &Expr) -> Option<SfId> {
    match expr {
        Expr::Literal(value, _) => id_of(value),
        Expr::Cast(cast) => person(&cast.expr),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;

    async fn named(sql: &str) -> Vec<String> {
        let context = SessionContext::new();
        for table in
            ["CREATE TABLE ier(person_id TEXT, opened BOOLEAN) AS VALUES ('x', true)", "CREATE TABLE c(id TEXT) AS VALUES ('x')"]
        {
            context.sql(table).await.unwrap();
        }
        let plan = context.state().create_logical_plan(sql).await.unwrap();
        people(&plan).unwrap().into_iter().map(|id| id.to_string()).collect()
    }

    #[tokio::test]
    async fn whoever_a_condition_is_about_is_named_wherever_it_stands() {
        let (ana, ben) = ("003f40000000001AAA", "003f40000000003AAA");
        for sql in [
            "SELECT * FROM ier WHERE person_id = '003f40000000001AAA'",
            "SELECT * FROM ier WHERE '003f40000000001' = person_id AND opened",
            "SELECT * FROM ier WHERE upper(person_id) IN ('003f40000000001', 'x')",
            "SELECT * FROM ier WHERE person_id = ANY(ARRAY['003f40000000001', 'x'])",
            "SELECT * FROM ier WHERE person_id LIKE '003f40000000001AAA'",
            "SELECT CASE person_id WHEN '003f40000000001' THEN opened END FROM ier",
            "SELECT * FROM ier WHERE person_id BETWEEN '003f40000000001AAA' AND '003f40000000001AAA'",
            "SELECT count(*) FILTER (WHERE person_id = '003f40000000001') FROM ier",
            "SELECT * FROM ier WHERE EXISTS (SELECT 1 FROM c WHERE c.id = ier.person_id AND c.id = '003f40000000001')",
            "SELECT * FROM ier JOIN c ON c.id = person_id AND c.id = CAST('003f40000000001' AS VARCHAR)",
            "WITH w AS (SELECT * FROM c WHERE id = '003f40000000001') SELECT * FROM w UNION ALL SELECT * FROM w",
        ] {
            assert_eq!(named(sql).await, [ana], "{sql}");
        }
        assert_eq!(named("SELECT 1 FROM c WHERE id IN ('003f40000000003', '003f40000000001AAA')").await, [ana, ben]);
    }

    #[tokio::test]
    async fn everybody_many_and_nobody_are_not_named() {
        let many: Vec<String> = (10..10 + FEW + 1).map(|at| format!("'003f400000000{at}'")).collect();
        let many = format!("SELECT * FROM c WHERE id IN ({})", many.join(", "));
        for sql in [
            "SELECT * FROM ier WHERE opened",
            "SELECT * FROM ier WHERE person_id <> '003f40000000001'",
            "SELECT * FROM ier WHERE person_id NOT IN ('003f40000000001')",
            "SELECT * FROM ier WHERE person_id = 'a0Bf40000000002EAA'",
            "SELECT '003f40000000001' AS id FROM ier",
            "EXPLAIN SELECT * FROM ier WHERE person_id = '003f40000000001'",
            &many,
        ] {
            assert!(named(sql).await.is_empty(), "{sql}");
        }
    }
}
