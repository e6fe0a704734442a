"""The API's methods: what each needs, and the synchronous function that answers it."""
