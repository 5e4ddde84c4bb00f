"""What the app's servers need of the object store; nothing here imports Pulumi or needs the rest of the checkout.

names     where an object lies, and what is declared of its bucket
signing   signed URLs: upload, download, the CDN's

`clients/typescript` is the twin of both.
"""
