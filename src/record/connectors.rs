//! Columns that are no field of any record: the bookkeeping of those who carried it here.
//!
//! Connectors add when and by which run they read a row; REST answers carry `attributes`; a data frame leaves its index. They
//! change with every sync while the record does not, so they are known, and kept nowhere: a difference in them is no new version.

/// How the columns of connectors begin, by their documentation (Airbyte, Fivetran, Stitch and Singer, dlt, Heroku Connect).
const PREFIXES: [&str; 5] = ["_airbyte_", "_fivetran_", "_sdc_", "_dlt_", "_hc_"];

/// Columns that are named whole; the first has no name.
const NAMES: [&str; 5] = ["", "attributes", "attributes.type", "attributes.url", "unnamed: 0"];

/// Is this the header of a column that a connector, the API or a data frame added, and that is no data?
pub fn is_connector_column(header: &str) -> bool {
    let header = header.trim().to_ascii_lowercase();
    NAMES.contains(&header.as_str()) || PREFIXES.iter().any(|prefix| header.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_connector_adds_is_no_data() {
        for header in [
            "_airbyte_raw_id",
            "_fivetran_synced",
            "_SDC_BATCHED_AT",
            "_dlt_id",
            "_hc_err",
            "attributes",
            "attributes.url",
            "",
            " ",
            "Unnamed: 0",
        ] {
            assert!(is_connector_column(header), "{header:?}");
        }
        for header in ["Region__c", "Attributes__c", "airbyte", "_id", "Unnamed: 1 thing"] {
            assert!(!is_connector_column(header), "{header:?}");
        }
    }
}
