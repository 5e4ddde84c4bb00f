"""Which action a request needs.

As on the page "Actions, resources, and condition keys for Amazon S3" of the Service Authorization Reference.
"""

from collections.abc import Container

BUCKET = {
    "accelerate": "AccelerateConfiguration",
    "acl": "BucketAcl",
    "analytics": "AnalyticsConfiguration",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "intelligent-tiering": "IntelligentTieringConfiguration",
    "inventory": "InventoryConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "metrics": "MetricsConfiguration",
    "notification": "BucketNotification",
    "object-lock": "BucketObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "replication": "ReplicationConfiguration",
    "requestPayment": "BucketRequestPayment",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
DELETED_AS_SUCH = ("policy", "website")
LISTS = {"versions": "ListBucketVersions", "uploads": "ListBucketMultipartUploads"}
PLAIN_BUCKET = {
    "HEAD": "ListBucket",
    "GET": "ListBucket",
    "PUT": "CreateBucket",
    "DELETE": "DeleteBucket",
    "POST": "PutObject",
}
OBJECT = {
    "acl": "ObjectAcl",
    "tagging": "ObjectTagging",
    "retention": "ObjectRetention",
    "legal-hold": "ObjectLegalHold",
}
VERSIONED = {
    "GetObject": "GetObjectVersion",
    "GetObjectAcl": "GetObjectVersionAcl",
    "GetObjectTagging": "GetObjectVersionTagging",
    "PutObjectAcl": "PutObjectVersionAcl",
    "PutObjectTagging": "PutObjectVersionTagging",
    "DeleteObject": "DeleteObjectVersion",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
}
VERBS = {"HEAD": "Get", "GET": "Get", "PUT": "Put", "DELETE": "Delete", "POST": "Put"}


def on_bucket(method: str, arguments: Container[str]) -> str:
    for argument, action in LISTS.items():
        if argument in arguments and method == "GET":
            return action
    for argument, noun in BUCKET.items():
        if argument in arguments:
            # Most settings have no action of their own for removing them.
            own = method != "DELETE" or argument in DELETED_AS_SUCH
            return (VERBS[method] if own else "Put") + noun
    return PLAIN_BUCKET[method]


def on_object(method: str, arguments: Container[str]) -> str:
    if "uploadId" in arguments and method in ("GET", "DELETE"):
        return "ListMultipartUploadParts" if method == "GET" else "AbortMultipartUpload"
    if method == "POST" and "restore" in arguments:
        return "RestoreObject"
    if method == "POST" and "select" in arguments:
        return "GetObject"
    noun = next((noun for argument, noun in OBJECT.items() if argument in arguments), "Object")
    action = VERBS[method] + noun
    return VERSIONED.get(action, action) if "versionId" in arguments else action
