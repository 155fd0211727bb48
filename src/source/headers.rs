//! Maps a header to a column, however the exporting tool spells column names.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::error::sql_errors::is_slip;
use crate::record::fields::{Field, PACKAGE, Source, TABLES, Table, known, normalise};
use crate::record::id::SfId;

/// UI names of objects whose API name is another.
const ALIASES: [(&str, &str); 2] =
    [("individuallinkleveldetail", "individual_link"), ("aggregatelinkleveldetail", "aggregate_link")];

/// The package's prefix as other tools write it: Fivetran puts `_` between letters and digits, dbt makes one of two.
const PACKAGE_SPELLINGS: [&str; 2] = ["et_4_ae_5_", "et4ae5_"];

/// In a database that Heroku Connect keeps, the record's id; `id` is a counter there.
pub(super) const HEROKU_ID: &str = "sfid";

/// Does an export provide this column? The other columns are computed.
pub(super) fn is_exported(field: &Field) -> bool {
    field.source == Source::Export
}

/// Is the header an API name beyond doubt, so that a lookup holds an id and not a name?
pub(super) fn is_api(header: &str) -> bool {
    let header = header.trim().to_ascii_lowercase();
    header.ends_with("__c") || header.ends_with("__r.id")
}

/// A known table by any of its names, in the singular or plural.
pub(super) fn table_called(name: &str) -> Option<&'static std::sync::Arc<Table>> {
    let name = normalise(name);
    let singular = name.strip_suffix('s').unwrap_or(&name);
    [name.as_str(), singular].into_iter().filter(|name| !name.is_empty()).find_map(|name| {
        known(name).or_else(|| {
            let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, table)| *table);
            TABLES.iter().find(|table| {
                normalise(&table.name) == name || normalise(&table.api) == name || alias == Some(table.name.as_ref())
            })
        })
    })
}

/// The column of a known table that a header means; by API name, label or our own name.
pub(super) fn column_of(table: &Table, header: &str) -> Option<usize> {
    let forms = forms(table, header);
    let find = |means: &dyn Fn(&Field, &str) -> bool| {
        forms.iter().find_map(|form| table.fields.iter().position(|field| is_exported(field) && means(field, form)))
    };
    find(&|field, form| normalise(&field.api) == form)
        .or_else(|| find(&|field, form| field.labels.iter().any(|label| normalise(label) == form)))
        .or_else(|| find(&|field, form| normalise(&field.name) == form))
        .or_else(|| find(&|field, form| field.kind.is_id() && field.name != table.id && is_id_beside(field, form)))
        .or_else(|| {
            forms.iter().any(|form| form == HEROKU_ID).then(|| table.fields.iter().position(|field| field.name == table.id))?
        })
}

/// Is it a header that only exports of this table have?
pub(super) fn is_telltale(table: &Table, header: &str) -> bool {
    forms(table, header).iter().any(|form| table.telltales.contains(&form.as_str()))
}

/// The id of a lookup as reports show it beside the name: `Email Send: ID`, `Email Send ID`, `Email Send: Email Send ID`.
fn is_id_beside(field: &Field, form: &str) -> bool {
    let Some(what) = form.strip_suffix("id").map(|what| what.strip_suffix("record").unwrap_or(what)) else { return false };
    let half = what.get(..what.len() / 2).filter(|half| what[half.len()..] == **half);
    std::iter::once(field.api.as_ref()).chain(field.labels.iter().copied()).any(|label| {
        let label = normalise(label);
        what == label || half.is_some_and(|half| half == label)
    })
}

/// The forms in which a header is compared, the likeliest first: see [`normalise`].
fn forms(table: &Table, header: &str) -> Vec<String> {
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let lower = header.trim().to_ascii_lowercase();
    let mut forms = vec![normalise(header)];
    let bare = PACKAGE_SPELLINGS.iter().find_map(|prefix| lower.strip_prefix(prefix).filter(|_| !lower.starts_with(PACKAGE)));
    if let Some(rest) = bare.or(Some(&lower)).and_then(|rest| rest.strip_suffix("_c")) {
        forms.push(letters(rest.trim_end_matches('_')));
    }
    forms.extend(bare.map(letters));
    // A report's `Object: Field`, of this very object.
    if let Some((object, field)) = lower.split_once(':')
        && table_called(object).is_some_and(|called| called.name == table.name)
    {
        forms.push(letters(field));
    }
    forms.retain(|form| !form.is_empty());
    forms.dedup();
    forms
}

/// The column a header nearly means: one or two letters off, as where it was mistyped or damaged.
pub(super) fn nearly(table: &Table, header: &str) -> Option<&'static str> {
    let table = TABLES.iter().find(|known| known.name == table.name)?;
    let header: String = header.to_ascii_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    let is_near = |name: &str| {
        let name: String = name.to_ascii_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
        name.len() > NEAR_LENGTH_MIN && (name == header || is_slip(&name, &header))
    };
    table
        .exported()
        .find(|field| is_near(&field.api) || is_near(&field.api_name()) || field.labels.iter().any(|label| is_near(label)))
        .map(|field| match &field.api {
            std::borrow::Cow::Borrowed(api) => *api,
            std::borrow::Cow::Owned(_) => "",
        })
}

/// Shorter names are not compared, because too many are alike.
const NEAR_LENGTH_MIN: usize = 5;

/// Does a file's first line look like one of its rows? Then the file has no header.
pub(super) fn look_like_data(headers: &[String]) -> bool {
    let certain = |text: &str| {
        let address = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
        let id = text.len() == 18 && text.bytes().any(|byte| byte.is_ascii_digit()) && SfId::parse(text).is_ok();
        address || id
    };
    let likely = |text: &str| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        // A telephone number, a time, an amount.
        digits >= 5 && digits > letters
    };
    let known = headers.iter().any(|header| TABLES.iter().any(|table| column_of(table, header).is_some()));
    let trimmed = || headers.iter().map(|header| header.trim());
    trimmed().any(certain) || !known && trimmed().any(likely)
}

/// The names of all columns of all objects, as they are compared.
static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let fields = TABLES.iter().filter(|table| !table.ledger).flat_map(|table| table.exported());
    let names =
        fields.flat_map(|field| [field.api.as_ref(), field.name.as_ref()].into_iter().chain(field.labels.iter().copied()));
    names.map(normalise).filter(|name| !name.is_empty()).collect()
});

/// Does a row consist of names of columns? Then different files were concatenated. Called for very many rows, so a no is fast.
pub(super) fn look_like_headers<'a>(mut fields: impl Iterator<Item = &'a str>) -> bool {
    let is_name = |field: &&str| NAMES.contains(&normalise(field));
    if !fields.next().is_some_and(|first| is_name(&first)) {
        return false;
    }
    let (mut names, mut all) = (1, 1);
    for field in fields {
        names += usize::from(is_name(&field));
        all += 1;
    }
    names >= 3 && names * 10 >= all * 6
}

/// Could a text be a Salesforce id that was cut or mistyped, rather than a name?
pub(super) fn is_nearly_id(text: &str) -> bool {
    (12..=18).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().any(|byte| byte.is_ascii_digit())
}
