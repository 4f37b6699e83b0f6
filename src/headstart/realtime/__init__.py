"""The feed over WebSocket, in the protocol of Supabase Realtime, so that its clients work as is."""
