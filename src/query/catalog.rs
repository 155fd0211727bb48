//! The names that SQL knows: our tables and views in the schema `public`, and the same tables under their API names in
//! `salesforce`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::{Column, DataFusionError, Result as DfResult};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};

use super::as_of::IER_AS_OF;
use super::files::{self, DataFiles};
use crate::error::Result;
use crate::lake::paths::Role;
use crate::query::functions::identity;
use crate::query::planner::provider::TableView;
use crate::record::fields::{Source, TABLES, hidden};
use crate::tiers::links;
use crate::tiers::warehouse::Warehouse;

/// The catalog's name.
pub const CATALOG: &str = "ier";
/// Schema of our own names.
pub const PUBLIC: &str = "public";
/// Schema of Salesforce's names.
pub const SALESFORCE: &str = "salesforce";

/// The table of IERs with the raw observations of their versions.
const OBSERVED: &str = "ier_observed";

/// The views every warehouse has, in an order in which each uses only earlier ones: name and SQL.
pub const VIEWS: &[(&str, &str)] = &[
    ("ier_with_send", include_str!("../../sql/views/ier_with_send.sql")),
    ("rates_by_send", include_str!("../../sql/views/rates_by_send.sql")),
    ("rates_by_month", include_str!("../../sql/views/rates_by_month.sql")),
    ("send_coverage", include_str!("../../sql/views/send_coverage.sql")),
    ("send_reconciliation", include_str!("../../sql/views/send_reconciliation.sql")),
    ("flat_report", include_str!("../../sql/views/flat_report.sql")),
    ("ier_versions", include_str!("../../sql/views/ier_versions.sql")),
    ("jobs", include_str!("../../sql/views/jobs.sql")),
];

/// Tables of a warehouse under our names.
pub struct PublicSchema {
    /// IERs with what the engine saw of them.
    pub observed: Arc<TableView>,
    warehouse: Arc<Warehouse>,
    tables: HashMap<String, Arc<TableView>>,
    files: Arc<DataFiles>,
    views: Mutex<BTreeMap<String, Arc<dyn TableProvider>>>,
    attributes: Mutex<Vec<String>>,
}

impl fmt::Debug for PublicSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tables of {:?}", self.warehouse)
    }
}

impl PublicSchema {
    /// The schema of a warehouse, without views.
    pub async fn new(warehouse: Arc<Warehouse>) -> Result<Self> {
        let mut tables = HashMap::new();
        for table in TABLES.iter() {
            let view = if table.tiered {
                TableView::tiered(warehouse.tiers(table).await?)
            } else {
                TableView::reference(warehouse.table(Role::Reference, table).await?)
            };
            let view = Arc::new(view);
            tables.extend(table.short.map(|short| (short.to_owned(), view.clone())));
            tables.insert(table.name.to_string(), view);
        }
        let observed = TableView::tiered(warehouse.tiers(links::ier_table()?).await?).showing(hidden::OBSERVED);
        let observed = Arc::new(observed);
        tables.insert(OBSERVED.to_owned(), observed.clone());
        let files = Arc::new(DataFiles::new(warehouse.clone()));
        let schema = Self { observed, warehouse, tables, files, views: Mutex::default(), attributes: Mutex::default() };
        schema.refresh().await?;
        Ok(schema)
    }

    /// Looks for attribute tables loaded since, for listings; naming one finds it without.
    pub async fn refresh(&self) -> Result<()> {
        let names = self.warehouse.attribute_names().await?;
        *self.attributes.lock().unwrap_or_else(PoisonError::into_inner) = names;
        Ok(())
    }

    /// Adds a view.
    pub fn add_view(&self, name: &str, view: Arc<dyn TableProvider>) {
        self.views.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), view);
    }

    /// Names of the views.
    pub fn view_names(&self) -> Vec<String> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn view(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

#[async_trait]
impl SchemaProvider for PublicSchema {
    fn table_names(&self) -> Vec<String> {
        let attributes = self.attributes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ours = self.tables.keys().cloned().chain([files::NAME.to_owned()]);
        let mut names: Vec<String> = ours.chain(attributes).chain(self.view_names()).collect();
        names.sort();
        names
    }

    async fn table(&self, name: &str) -> DfResult<Option<Arc<dyn TableProvider>>> {
        if let Some(table) = self.tables.get(name) {
            return Ok(Some(table.clone()));
        }
        if let Some(view) = self.view(name) {
            return Ok(Some(view));
        }
        if name == files::NAME {
            return Ok(Some(self.files.clone()));
        }
        // A statement's table functions are looked for as tables, too: the store is not asked for those, unless somebody has loaded
        // a file of attributes by that name.
        let function = name == IER_AS_OF || identity::NAMES.contains(&name);
        if function && !self.attributes.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|table| table == name) {
            return Ok(None);
        }
        let attributes = self.warehouse.attributes(name, None).await.map_err(DataFusionError::from)?;
        Ok(attributes.map(|table| Arc::new(TableView::reference(table)) as Arc<dyn TableProvider>))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|known| known == name)
    }
}

/// The same tables under their API names, with their API field names as columns; a report ported from SOQL needs no
/// renaming. Names are compared without case, as Salesforce does.
#[derive(Debug)]
pub struct SalesforceSchema {
    tables: HashMap<String, Arc<dyn TableProvider>>,
}

impl SalesforceSchema {
    /// Is this one of Salesforce's names?
    pub fn knows(name: &str) -> bool {
        let names = |table: &crate::record::fields::Table| [table.api_name().to_lowercase(), table.api.to_lowercase()];
        TABLES.iter().filter(|table| table.is_salesforce()).any(|table| names(table).contains(&name.to_lowercase()))
    }

    /// Renames the tables of the public schema.
    pub fn new(public: &PublicSchema) -> DfResult<Self> {
        let mut tables = HashMap::new();
        for table in TABLES.iter().filter(|table| table.is_salesforce()) {
            let Some(ours) = public.tables.get(table.name.as_ref()) else { continue };
            let source = provider_as_source(ours.clone());
            let columns: Vec<Expr> = ours
                .schema()
                .fields()
                .iter()
                .map(|column| {
                    let name = column.name();
                    let api = table.field(name).filter(|field| field.source == Source::Export);
                    let alias = api.map_or_else(|| name.clone(), |field| field.api_name().to_lowercase());
                    Expr::Column(Column::new(Some(table.name.to_string()), name)).alias(alias)
                })
                .collect();
            let plan = LogicalPlanBuilder::scan(table.name.to_string(), source, None)?.project(columns)?.build()?;
            let view: Arc<dyn TableProvider> = Arc::new(ViewTable::new(plan, None));
            tables.insert(table.api_name().to_lowercase(), view.clone());
            tables.insert(table.api.to_lowercase(), view);
        }
        Ok(Self { tables })
    }
}

#[async_trait]
impl SchemaProvider for SalesforceSchema {
    fn table_names(&self) -> Vec<String> {
        let objects = TABLES.iter().filter(|table| table.is_salesforce());
        let mut names: Vec<String> = objects.map(|table| table.api_name().to_lowercase()).collect();
        names.sort();
        names
    }

    async fn table(&self, name: &str) -> DfResult<Option<Arc<dyn TableProvider>>> {
        Ok(self.tables.get(&name.to_lowercase()).cloned())
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.contains_key(&name.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::record::fields::known;
    use crate::source::recognise::{Hints, recognise};

    #[test]
    fn no_file_of_attributes_is_called_like_something_of_ours() {
        let views = VIEWS.iter().map(|(name, _)| *name);
        let tables = TABLES.iter().flat_map(|table| [Some(table.name.as_ref()), table.short]).flatten();
        let ours = views.chain([IER_AS_OF, files::NAME, OBSERVED]).chain(tables);
        for name in ours {
            let headers = ["ContactId".to_owned(), "Campus".to_owned()];
            match recognise(&Hints { headers: &headers, as_table: Some(name), file_name: "", rows: &[] }) {
                Ok(found) => assert!(
                    found.is_some_and(|(table, _)| known(&table.name).is_some()),
                    "{name} would be loaded and never be seen"
                ),
                Err(error) => assert_eq!(error.kind(), Kind::Invalid, "{name}: {error}"),
            }
        }
    }
}
