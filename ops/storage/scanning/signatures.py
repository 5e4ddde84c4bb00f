"""Signatures for tests: what they find is harmless, and shows that somebody has looked."""

# What EICAR's test file and our own say of themselves; put together, so that no scanner takes this file for one.
TEST_SIGNATURES = {
    "Eicar-Test-Signature": rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    "Vpb-Test-Signature": b"VISUAL-PROMPT-BUILDER" + b"-SCANNER-TEST-FILE",
}
OURS = TEST_SIGNATURES["Vpb-Test-Signature"]
# For ClamAV's folder of signatures: any type of file, anywhere in it.
CLAMAV = f"Vpb-Test-Signature:0:*:{OURS.hex()}"
