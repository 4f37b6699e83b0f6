"""The news, published into a project of Supabase for front ends that stay connected there.

No server of ours filters there for each connection: a message goes to a private topic that only
those may read who are meant, and what is one mechanic's goes to that mechanic's own.
"""
