//! The one place that says how this project talks to AWS.
//!
//! Everything comes from the environment, as the AWS SDKs define it: credentials, profile, Region, retries
//! (`AWS_MAX_ATTEMPTS`), and `AWS_ENDPOINT_URL` or `AWS_ENDPOINT_URL_<SERVICE>` for an emulator.

use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::config::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::sync::OnceCell;

/// The configuration that every client of this project is made from: TLS by rustls and ring (which need neither
/// OpenSSL nor CMake), a connection within 5 seconds, and the SDK's standard retries. It is made once in a process, so
/// that all clients share the roots of trust, which take a while to read, and their connections.
pub async fn sdk_config() -> SdkConfig {
    static CONFIG: OnceCell<SdkConfig> = OnceCell::const_new();
    CONFIG.get_or_init(load).await.clone()
}

async fn load() -> SdkConfig {
    loader().load().await
}

fn loader() -> ConfigLoader {
    let http_client =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client)
        // No limit on the whole attempt: a large object over a slow line takes its time, and the SDK notices stalls.
        .timeout_config(TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).build())
}

/// Whose rights are used, where a person says so. What is left out comes from the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// A profile of the AWS configuration files. Its credentials are taken though the environment may have others.
    pub profile: Option<String>,
    /// The Region to call.
    pub region: Option<String>,
    /// A role to assume, with the credentials so far.
    pub role: Option<Role>,
}

/// An IAM role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// The external id that the role's trust policy asks for.
    pub external_id: Option<String>,
    /// The name that CloudTrail shows; `sluice` where there is none.
    pub session_name: Option<String>,
}

/// [`sdk_config`] with the rights of `access`. The credentials of a role are fetched with the first request, and again
/// before they end.
pub async fn sdk_config_for(access: &Access) -> SdkConfig {
    let Access { profile, region, role } = access;
    if profile.is_none() && region.is_none() && role.is_none() {
        return sdk_config().await;
    }
    let mut loader = loader();
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region.clone()));
    }
    let mut config = loader.load().await;
    if let Some(profile) = profile {
        // The default chain would prefer the environment's credentials to those of a profile that was asked for.
        let mut provider = ProviderConfig::without_region().with_region(config.region().cloned());
        if let Some(http_client) = config.http_client() {
            provider = provider.with_http_client(http_client);
        }
        let provider = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile).build();
        config = config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build();
    }
    if let Some(Role { arn, external_id, session_name }) = role {
        let mut provider = AssumeRoleProvider::builder(arn)
            .session_name(session_name.as_deref().unwrap_or("sluice"))
            .configure(&config);
        if let Some(id) = external_id {
            provider = provider.external_id(id);
        }
        let provider = SharedCredentialsProvider::new(provider.build().await);
        config = config.into_builder().credentials_provider(provider).build();
    }
    config
}

/// A client for S3. Any endpoint that is not AWS's own is addressed by path (`http://host/bucket/key`), since emulators
/// have no name for each bucket.
pub fn s3_client(config: &SdkConfig) -> aws_sdk_s3::Client {
    let for_s3 = std::env::var("AWS_ENDPOINT_URL_S3").ok().filter(|url| !url.is_empty());
    let endpoint = for_s3.as_deref().or(config.endpoint_url());
    let settings = aws_sdk_s3::config::Builder::from(config).force_path_style(endpoint.is_some_and(|url| !is_aws(url)));
    aws_sdk_s3::Client::from_conf(settings.build())
}

/// Whether a URL's host is one of AWS.
fn is_aws(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', ':']).next().unwrap_or_default().to_ascii_lowercase();
    [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"].iter().any(|suffix| host.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_aws_are_addressed_by_bucket_name() {
        for url in [
            "https://s3.eu-central-1.amazonaws.com",
            "https://bucket.vpce-1-2.s3.us-east-1.vpce.amazonaws.com/x",
            "s3.cn-north-1.amazonaws.com.cn",
        ] {
            assert!(is_aws(url), "{url}");
        }
        for url in [
            "http://127.0.0.1:4566",
            "http://localhost:9000/",
            "http://amazonaws.com.example.org",
            "https://minio.lan/amazonaws.com",
        ] {
            assert!(!is_aws(url), "{url}");
        }
    }
}
