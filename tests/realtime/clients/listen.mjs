// One of the official JavaScript clients, driven by lines of JSON: commands in, what it says out.
import { createInterface } from 'node:readline'
import { WebSocket } from 'ws'

const [, , which, url, token] = process.argv
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`)
const options = { transport: WebSocket, params: { apikey: 'any' } }

let newest = token // what an application with its own sign-in hands to supabase-js when asked

async function client() {
  if (which === 'supabase-js') {
    const { createClient } = await import('@supabase/supabase-js')
    const project = url.replace(/^ws/, 'http').replace('/realtime/v1', '')
    const accessToken = async () => newest
    return createClient(project, 'any', { accessToken, realtime: { transport: WebSocket } }).realtime
  }
  const { RealtimeClient } = await import(which)
  return new RealtimeClient(url, options)
}

const realtime = await client()
const authorize = () => realtime.setAuth(which === 'supabase-js' ? undefined : newest)
await authorize()
const channels = {}

const commands = {
  join({ topic, config, presence }) {
    const channel = realtime.channel(topic, { config: config ?? {} })
    channels[topic] = channel
    channel.on('broadcast', { event: '*' }, ({ event, payload, meta }) =>
      say({ topic, event, payload, meta }))
    if (presence) {
      channel.on('presence', { event: 'sync' }, () =>
        say({ topic, sync: Object.fromEntries(Object.entries(channel.presenceState())
          .map(([key, metas]) => [key, metas.map(({ presence_ref, ...meta }) => meta)])) }))
    }
    channel.subscribe((status, error) => say({ topic, status, error: error?.message }))
  },
  async token({ token }) {
    newest = token
    await authorize()
  },
  async send({ topic, event, payload }) {
    say({ topic, sent: await channels[topic].send({ type: 'broadcast', event, payload }) })
  },
  async track({ topic, meta }) { say({ topic, tracked: await channels[topic].track(meta) }) },
  async untrack({ topic }) { say({ topic, untracked: await channels[topic].untrack() }) },
  async leave({ topic }) { say({ topic, left: await channels[topic].unsubscribe() }) },
}

say({ ready: which })
for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...command } = JSON.parse(line)
  await commands[name](command)
}
process.exit(0)
