kernel::id!(
    /// One server-owned generation.
    RunId, "run"
);

kernel::id!(
    /// One request for vectors, as the usage row names it.
    EmbeddingId, "emb"
);

kernel::id!(
    /// A provider's key that an operator registered.
    CredentialId, "prc"
);
