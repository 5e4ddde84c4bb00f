-- What stands for a secret. With the key, which never leaves the database, nobody can try values against it elsewhere.
left(encode(sha256(convert_to(concat((select key from secret), {text}), 'UTF8')), 'hex'), 12)
