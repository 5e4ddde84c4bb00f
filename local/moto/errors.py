"""What a request or a start can be refused with.

Refused      one S3 request: code, message and HTTP status of the real service
StartError   the whole process: one line on standard error and an exit status
"""

STATUS = {
    "AccessControlListNotSupported": 400,
    "AuthorizationHeaderMalformed": 400,
    "AuthorizationQueryParametersError": 400,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "ExpiredToken": 400,
    "InvalidArgument": 400,
    "InvalidPolicyDocument": 400,
    "InvalidRequest": 400,
    "InvalidToken": 400,
    "KMS.DisabledException": 400,
    "KMS.KMSInvalidStateException": 400,
    "MalformedPolicy": 400,
    "NotImplemented": 501,
    "PreconditionFailed": 412,
}


class Refused(Exception):
    """An S3 request that the real service refuses; status 403 unless the code says otherwise."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = STATUS.get(code, 403)


class StartError(Exception):
    """The server can't start or can't go on; the text is the one line that the user reads."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
