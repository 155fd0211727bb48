//! The names of all options of object stores, and which one was meant by a name that does not exist.

use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;

/// How long a store that does not answer is asked again, in seconds: an option of ours, for all stores.
pub const RETRY_SECS: &str = "retry_secs";

/// Options by the names people give them; each has others, too. The first part says of which store it is, or of all.
const NAMES: &[(&str, &[&str])] = &[
    (
        "aws_",
        &[
            "access_key_id",
            "secret_access_key",
            "region",
            "default_region",
            "bucket",
            "endpoint",
            "endpoint_url",
            "endpoint_url_s3",
            "session_token",
            "virtual_hosted_style_request",
            "s3_express",
            "imdsv1_fallback",
            "metadata_endpoint",
            "unsigned_payload",
            "checksum_algorithm",
            "container_credentials_relative_uri",
            "container_credentials_full_uri",
            "container_authorization_token_file",
            "web_identity_token_file",
            "role_arn",
            "role_session_name",
            "endpoint_url_sts",
            "skip_signature",
            "copy_if_not_exists",
            "conditional_put",
            "disable_tagging",
            "request_payer",
            "server_side_encryption",
            "sse_kms_key_id",
            "sse_bucket_key_enabled",
            "sse_customer_key_base64",
            "allow_http",
        ],
    ),
    (
        "azure_",
        &[
            "storage_account_name",
            "storage_account_key",
            "storage_client_id",
            "storage_client_secret",
            "storage_tenant_id",
            "storage_authority_host",
            "storage_sas_key",
            "storage_token",
            "storage_use_emulator",
            "use_fabric_endpoint",
            "storage_endpoint",
            "msi_endpoint",
            "object_id",
            "msi_resource_id",
            "federated_token_file",
            "use_azure_cli",
            "skip_signature",
            "container_name",
            "disable_tagging",
            "allow_http",
        ],
    ),
    ("google_", &["service_account", "service_account_key", "bucket", "base_url", "application_credentials", "skip_signature"]),
    (
        "",
        &[
            "allow_http",
            "allow_invalid_certificates",
            "connect_timeout",
            "default_content_type",
            "http1_only",
            "http2_only",
            "http2_keep_alive_interval",
            "http2_keep_alive_timeout",
            "http2_keep_alive_while_idle",
            "http2_max_frame_size",
            "pool_idle_timeout",
            "pool_max_idle_per_host",
            "proxy_url",
            "proxy_ca_certificate",
            "proxy_excludes",
            "randomize_addresses",
            "timeout",
            "user_agent",
            RETRY_SECS,
        ],
    ),
];

/// Is this, in lower case, an option of some store we know? One of another store than the warehouse's does no harm: the
/// same settings may serve several.
pub fn is_known(option: &str) -> bool {
    option == RETRY_SECS
        || option.parse::<AmazonS3ConfigKey>().is_ok()
        || option.parse::<AzureConfigKey>().is_ok()
        || option.parse::<GoogleConfigKey>().is_ok()
}

/// The option whose name is most like this one.
pub fn nearest(option: &str) -> String {
    let names = NAMES.iter().flat_map(|(store, names)| names.iter().map(move |name| format!("{store}{name}")));
    names.min_by_key(|name| strsim::levenshtein(name, option)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_that_is_proposed_is_one() {
        for (store, names) in NAMES {
            for name in *names {
                assert!(is_known(&format!("{store}{name}")), "{store}{name}");
            }
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_seen_and_what_was_meant_is_told() {
        for (slip, meant) in [
            ("aws_endponnt", "aws_endpoint"),
            ("aws_acces_key_id", "aws_access_key_id"),
            ("azure_storage_acount_key", "azure_storage_account_key"),
            ("google_servce_account", "google_service_account"),
            ("alow_http", "allow_http"),
            ("retry_seconds", "retry_secs"),
        ] {
            assert!(!is_known(slip));
            assert_eq!(nearest(slip), meant);
        }
    }
}
