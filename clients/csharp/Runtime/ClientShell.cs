using System;
using System.Threading;

namespace Grandstand
{
    public sealed partial class Client
    {
        /// <summary>What the machines see of the client: connections at once, callbacks in the next <see cref="Deliver"/>.</summary>
        private sealed class Shell : IOutside
        {
            private readonly Client client;

            internal Shell(Client client)
            {
                this.client = client;
            }

            public string ClientId { get; } = Guid.NewGuid().ToString("N");

            public double Random()
            {
                return client.random.NextDouble();
            }

            public void Dial(Peer peer)
            {
                client.Open(peer);
            }

            public void HangUp(Peer peer)
            {
                WebSocketConnection connection;
                if (!client.connections.TryGetValue(peer, out connection)) return;
                client.connections.Remove(peer);
                connection.Close();
            }

            public void Send(Peer peer, ClientMessage message)
            {
                if (message.Type == "ping") client.pings[message.Id] = client.Now;
                WebSocketConnection connection;
                if (client.connections.TryGetValue(peer, out connection)) connection.Send(message.ToString(), message.Type == "live");
            }

            public void WantToken()
            {
                client.happened.Enqueue(client.CallGetToken);
            }

            public void Show(Status status)
            {
                client.happened.Enqueue(() =>
                {
                    client.Status = status;
                    if (client.StatusChanged != null) client.StatusChanged(status);
                });
            }

            public void Report(GrandstandException error)
            {
                client.happened.Enqueue(() => { if (client.ProblemFound != null) client.ProblemFound(error); });
            }

            public void TellTokenExpiring()
            {
                client.happened.Enqueue(() => { if (client.TokenExpiring != null) client.TokenExpiring(); });
            }

            public void OnPong(ServerMessage pong)
            {
                client.OnPong(pong);
            }

            public void Tell(RoomMachine machine, RoomEvent told)
            {
                client.happened.Enqueue(() =>
                {
                    Room room;
                    if (!client.rooms.TryGetValue(machine, out room)) return;
                    if (told.Kind == RoomEventKind.Left) client.rooms.Remove(machine);
                    room.Raise(told);
                });
            }

            public void Enter(RoomMachine machine, GrandstandException error)
            {
                client.happened.Enqueue(() =>
                {
                    Room room;
                    if (!client.rooms.TryGetValue(machine, out room)) return;
                    if (error != null) client.rooms.Remove(machine);
                    room.Enter(error);
                });
            }

            public void Settle(Promise promise, GrandstandException error, long seq)
            {
                client.happened.Enqueue(() => promise.Settle(error, seq));
            }
        }

        /// <summary>Lets continuations run on the thread that polls.</summary>
        private sealed class Turns : SynchronizationContext
        {
            private readonly Client client;

            internal Turns(Client client)
            {
                this.client = client;
            }

            public override void Post(SendOrPostCallback callback, object state)
            {
                client.Arrive(() => callback(state));
            }
        }
    }
}
