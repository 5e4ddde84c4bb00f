"""The provider of everything at AWS: on `local` it talks to moto, whatever plugin stands behind it."""

import pulumi_aws

from local import services

# Those that the program has resources of.
SERVICES = ("cloudfront", "guardduty", "iam", "kms", "logs", "s3", "sns", "sts")


def aws_provider(name: str, region: str, aws: services.Aws) -> pulumi_aws.Provider:
    return pulumi_aws.Provider(
        name,
        region=region,
        access_key=aws.access_key,
        secret_key=aws.secret_key,
        endpoints=[dict.fromkeys(SERVICES, aws.endpoint)],
        s3_use_path_style=True,
        skip_credentials_validation=True,
        skip_metadata_api_check=True,
        skip_requesting_account_id=True,
    )
