//! Whether AWS can be asked at all: found out before a command does any work, and said in one line.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_sdk_kinesis::config::ProvideCredentials as _;
use diagnostics::causes::innermost;
use store::Store;
use store::aws::Access;
use tokio::sync::OnceCell;

use crate::exit::Failure;

/// The configuration of the environment, once its credentials have been found.
///
/// # Errors
/// As [`check`].
pub(crate) async fn sdk_config() -> Result<SdkConfig, Failure> {
    sdk_config_for(&Access::default()).await
}

/// As [`sdk_config`], with the rights that arguments ask for.
///
/// # Errors
/// As [`check`].
pub(crate) async fn sdk_config_for(access: &Access) -> Result<SdkConfig, Failure> {
    let config = store::aws::sdk_config_for(access).await;
    check(&config, access).await?;
    Ok(config)
}

/// The store of a location. For a bucket, credentials have been found, which is looked at once.
///
/// # Errors
/// The location names no store, or as [`check`].
pub(crate) async fn open_store(location: &str) -> Result<Arc<dyn Store>, Failure> {
    static CHECKED: OnceCell<()> = OnceCell::const_new();
    let store = store::open(location).await?;
    if location.starts_with("s3://") {
        CHECKED.get_or_try_init(async || sdk_config().await.map(|_| ())).await?;
    }
    Ok(store)
}

/// Asks for credentials, which the SDK keeps for the first request.
///
/// # Errors
/// There are none, the profile is unknown, or the role cannot be assumed: with what to do about it.
async fn check(config: &SdkConfig, access: &Access) -> Result<(), Failure> {
    let from_environment = std::env::var("AWS_PROFILE").ok().filter(|profile| !profile.is_empty());
    let profile = access.profile.clone().or(from_environment);
    let Some(provider) = config.credentials_provider() else {
        return Err(Failure::usage(NO_CREDENTIALS));
    };
    let Err(error) = provider.provide_credentials().await else { return Ok(()) };
    let cause = innermost(&error).to_string();
    if let Some(profile) = &profile {
        // The default chain goes on to other providers and tells of the last one.
        let mut provider = ProviderConfig::without_region().with_region(config.region().cloned());
        if let Some(http_client) = config.http_client() {
            provider = provider.with_http_client(http_client);
        }
        let of_profile = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile).build();
        let told = of_profile.provide_credentials().await;
        let told = told.err().map_or_else(|| cause.clone(), |error| innermost(&error).to_string());
        // `was not enabled`: there is no configuration file at all.
        if told.contains("was not defined") || told.contains("was not enabled") {
            return Err(Failure::usage(format_args!(
                "there is no AWS profile `{profile}`; `aws configure list-profiles` lists those there are, and `aws \
                 configure --profile {profile}` makes it"
            )));
        }
        if access.role.is_none() {
            return Err(Failure::usage(format_args!(
                "the AWS profile `{profile}` has no usable credentials: {told}; sign in, for example with `aws sso login \
                 --profile {profile}`"
            )));
        }
    }
    Err(match &access.role {
        Some(role) => Failure::usage(format_args!("cannot assume the role {}: {cause}", role.arn)),
        // The last that was asked is the metadata service of a machine in AWS, which others do not have.
        None if cause.contains("IMDS") || cause.contains("was not enabled") => Failure::usage(NO_CREDENTIALS),
        None => Failure::usage(format_args!("{NO_CREDENTIALS} ({cause})")),
    })
}

const NO_CREDENTIALS: &str = "no AWS credentials found; set AWS_PROFILE, or sign in with `aws configure sso`";
