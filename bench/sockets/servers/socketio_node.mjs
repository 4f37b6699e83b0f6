// Socket.IO on Node: one room, as its documentation says. `node socketio_node.mjs PORT`.
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const EVENT = 'new_request', ROOM = 'mechanics', BACKLOG = 4096
const now = () => (performance.timeOrigin + performance.now()) / 1000

const http = createServer(async (request, response) => {
  const pieces = []
  for await (const piece of request) pieces.push(piece)
  const payload = JSON.parse(Buffer.concat(pieces))
  const began_s = now()
  io.to(ROOM).emit(EVENT, payload)
  response.end(JSON.stringify({ began_s }))
})
const io = new Server(http, { transports: ['websocket'], serveClient: false })
io.on('connection', (socket) => { socket.join(ROOM) })
http.listen(Number(process.argv[2]), '127.0.0.1', BACKLOG)
