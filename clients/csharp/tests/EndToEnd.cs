// The client and a real `grandstand dev`: the argument is the program, and with a second and third one the address of an edge
// with TLS and a token.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace Grandstand.Tests
{
    /// <summary>A `grandstand dev` whose rooms survive a kill.</summary>
    internal sealed class Dev : IDisposable
    {
        private readonly string program;
        private readonly string folder = Path.Combine(Path.GetTempPath(), "grandstand-csharp-" + Guid.NewGuid().ToString("N"));
        private readonly int port = FreePort();
        private readonly int admin = FreePort();
        private Process process;

        internal Dev(string program)
        {
            this.program = program;
            Start();
        }

        internal void Start()
        {
            string arguments = "dev --listen 127.0.0.1:" + port + " --admin 127.0.0.1:" + admin + " --data " + folder;
            process = Process.Start(new ProcessStartInfo(program, arguments)
            {
                UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true,
            });
            process.OutputDataReceived += (sender, line) => { };
            process.ErrorDataReceived += (sender, line) => { };
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        internal void Kill()
        {
            process.Kill();
            process.WaitForExit();
        }

        internal Client Connect(string user)
        {
            return new Client(new ClientOptions { Url = "ws://127.0.0.1:" + port + "/v1/ws?user=" + user, BackoffMinMs = 100, BackoffMaxMs = 500 });
        }

        internal Client ConnectWith(string token)
        {
            return new Client(new ClientOptions { Url = "http://127.0.0.1:" + port, Token = token, BackoffMinMs = 100, BackoffMaxMs = 500 });
        }

        private static int FreePort()
        {
            var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            int port = ((IPEndPoint)listener.LocalEndpoint).Port;
            listener.Stop();
            return port;
        }

        public void Dispose()
        {
            Kill();
            if (Directory.Exists(folder)) Directory.Delete(folder, true);
        }
    }

    internal static class EndToEnd
    {
        private static int Main(string[] arguments)
        {
            var unobserved = new List<string>();
            TaskScheduler.UnobservedTaskException += (sender, error) => unobserved.Add(error.Exception.ToString());
            using (var dev = new Dev(arguments[0]))
            {
                Check.Test("two players play memory to the end", () => PlayMemory(dev));
                Check.Test("errors say what the server says", () => Errors(dev));
                Check.Test("bytes, live messages and presence reach the others", () => Others(dev));
                Check.Test("a frame of a game in real time", () => Arena(dev));
                Check.Test("two kills of the server lose and repeat nothing", () => Kills(dev));
            }
            if (arguments.Length > 2) Check.Test("an edge with TLS", () => Encrypted(arguments[1], arguments[2]));
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Check.Test("no task's exception was lost", () => Check.Equal("", string.Join("\n", unobserved.ToArray())));
            return Check.Summary();
        }

        private static void PlayMemory(Dev dev)
        {
            Client alice = dev.Connect("alice"), bob = dev.Connect("bob");
            var ends = new List<JsonValue>();
            var random = new Random(1);
            foreach (Client client in new[] { alice, bob })
            {
                string name = client == alice ? "alice" : "bob";
                JsonValue small = JsonValue.Object("rows", 2).With("cols", 2).With("hide_ms", 50);
                Room room = client.Join("memory-1", new JoinOptions { Params = small, Reducer = Memory });
                room.Changed += state =>
                {
                    if (state["phase"].AsString() == "over") ends.Add(state);
                    if (state["turn"].AsString() != name || state["open"].Count > 1) return;
                    var hidden = new List<int>();
                    for (int i = 0; i < state["cards"].Count; i++) if (state["cards"][i].IsNull) hidden.Add(i);
                    if (hidden.Count > 0) room.Send(JsonValue.Object("op", "flip").With("card", hidden[random.Next(hidden.Count)]));
                };
            }
            Check.Until(() => ends.Count == 2, "the end of the game", alice, bob);
            Check.Equal(ends[0], ends[1], "both see the same");
            Check.Equal(2, ends[0]["scores"]["alice"].AsInt() + ends[0]["scores"]["bob"].AsInt(), "pairs");
            alice.Close();
            bob.Close();
        }

        /// <summary>The view of `memory` after an update, as docs/protocol.md has it.</summary>
        private static JsonValue Memory(JsonValue state, JsonValue update)
        {
            state = state.With("deadline_ms", JsonValue.Null);
            switch (update["kind"].AsString())
            {
                case "waiting": return state.With("players", update["players"]);
                case "started": return state.With("phase", "playing").With("turn", update["turn"]).With("players", update["players"]);
                case "flipped": return Show(state, update["card"].AsInt(), update["face"])
                    .With("open", JsonValue.Array(new List<JsonValue>(state["open"].Items) { update["card"] }.ToArray()));
                case "matched": return state.With("open", JsonValue.Array()).With("scores", update["scores"]);
                case "hidden":
                    foreach (JsonValue card in update["cards"].Items) state = Show(state, card.AsInt(), JsonValue.Null);
                    return state.With("open", JsonValue.Array());
                case "turn": return state.With("turn", update["player"]);
                case "over": return state.With("phase", "over").With("scores", update["scores"]).With("winners", update["winners"])
                    .With("turn", JsonValue.Null);
                default: return state;
            }
        }

        private static JsonValue Show(JsonValue state, int card, JsonValue face)
        {
            JsonValue[] cards = new List<JsonValue>(state["cards"].Items).ToArray();
            cards[card] = face;
            return state.With("cards", JsonValue.Array(cards));
        }

        private static void Errors(Dev dev)
        {
            Client refused = dev.ConnectWith("eyJ.not.valid");
            Check.Until(() => refused.Status.State == ConnectionState.Closed, "closed", refused);
            Check.Equal("unauthenticated", refused.Status.Why);
            Check.True(refused.Status.Error is AuthException, "an error of the token");
            Client client = dev.Connect("alice");
            client.Run(async () =>
            {
                try
                {
                    await client.Join("nothing-1").Ready;
                    throw new Exception("joined");
                }
                catch (JoinException error)
                {
                    Check.Equal("no_such_game", error.Code);
                }
                Room room = await client.Join("memory-2").Ready;
                Check.Equal("player", room.Role);
                try
                {
                    await room.Send(JsonValue.Object("op", "flip").With("card", 0));
                    throw new Exception("accepted");
                }
                catch (InputException error)
                {
                    Check.Equal("not_started", error.Code);
                    Check.Equal(1L, error.Seq);
                    Check.True(error.IsRejected, "the game refused it");
                }
                try
                {
                    await room.Send(new string('x', 100000));
                    throw new Exception("accepted");
                }
                catch (InputException error)
                {
                    Check.Equal("too_big", error.Code);
                }
                while (client.ServerTimeMs == null) await Task.Delay(5);
                Check.True(client.ServerTimeMs > 1.6e12 && client.RttMs < 5000, "the clock of the server");
                await room.Leave();
            });
            client.Close();
        }

        private static void Others(Dev dev)
        {
            Client alice = dev.Connect("alice"), bob = dev.Connect("bob");
            Room sends = alice.Join("relay-2"), hears = bob.Join("relay-2");
            JsonValue update = null, live = null;
            Presence presence = null;
            hears.Updated += (data, at) => update = data;
            hears.LiveReceived += data => live = data;
            hears.PresenceChanged += people => presence = people;
            Check.Until(() => sends.Ready.IsCompleted && hears.Ready.IsCompleted, "both are there", alice, bob);
            JsonValue said = JsonValue.Parse("{\"text\":\"é ☃ 🎲 \\u2028\",\"n\":[0.1,-7,9007199254740991]}");
            sends.Send(said);
            sends.Live(JsonValue.Bytes(new byte[] { 0, 1, 255 }));
            Check.Until(() => update != null && live != null && presence != null && presence.PlayerCount == 2, "all of it", alice, bob);
            Check.Equal(JsonValue.Object("from", "alice").With("data", said), update);
            Check.Equal("0,1,255", string.Join(",", Array.ConvertAll(live.AsBytes(), one => one.ToString())));
            Check.True(presence.Players[0].IsConnected && presence.Players[1].Id == "bob", "the players");
            alice.Close();
            bob.Close();
        }

        private static void Arena(Dev dev)
        {
            Client client = dev.Connect("alice");
            Room room = client.Join("arena-1");
            int frames = 0;
            double firstX = 0, x = 0;
            room.LiveReceived += frame =>
            {
                x = frame["discs"]["alice"][0].AsDouble(x);
                if (frames++ == 0) firstX = x;
                room.Live(JsonValue.Object("x", firstX < 800 ? 1 : -1).With("y", 0));
            };
            Check.Until(() => Math.Abs(x - firstX) > 50, "the disc rolls", client);
            client.Close();
        }

        // An update that is lost or repeated, or an input that is lost or applied twice, makes a count differ from the inputs.
        private static void Kills(Dev dev)
        {
            Client alice = dev.Connect("alice"), bob = dev.Connect("bob"), carol = dev.Connect("carol");
            Client[] all = { alice, bob, carol };
            var rooms = new List<Room>();
            var problems = new List<string>();
            int connected = 0;
            carol.StatusChanged += status => connected += status.State == ConnectionState.Connected ? 1 : 0;
            foreach (Client client in all)
            {
                Room room = client.Join("relay-3", new JoinOptions
                {
                    Role = client == carol ? "spectator" : null,
                    Reducer = (state, update) => state.With("count", state["count"].AsInt() + 1),
                });
                room.Left += error => problems.Add("left: " + error.Message);
                client.ProblemFound += error => problems.Add(error.Message);
                rooms.Add(room);
            }
            var sent = new List<Task<long>>();
            Stopwatch watch = Stopwatch.StartNew();
            int kills = 0;
            // A busy machine may take long until carol is back. Only then the next server is killed.
            while (watch.ElapsedMilliseconds < 2500 || (connected < 3 && watch.ElapsedMilliseconds < 30000))
            {
                if (watch.ElapsedMilliseconds > 600 + 700 * kills && kills < 2 && connected == kills + 1)
                {
                    kills++;
                    dev.Kill();
                    dev.Start();
                }
                if (sent.Count < 2000) for (int i = 0; i < 2; i++) sent.Add(rooms[i].Send(sent.Count));
                foreach (Client client in all) client.Poll();
                Thread.Sleep(5);
            }
            Check.Until(() => sent.TrueForAll(one => one.IsCompleted), "all inputs are answered", all);
            Check.True(sent.TrueForAll(one => !one.IsFaulted), "no input failed");
            Check.Until(() => rooms.TrueForAll(room => room.State["count"].AsInt() >= sent.Count), "all see all inputs", all);
            foreach (Client client in all) client.Poll();
            foreach (Room room in rooms) Check.Equal(sent.Count, room.State["count"].AsInt(), "the count");
            Check.Equal("", string.Join("\n", problems.ToArray()));
            Check.Equal(3, connected, "connections of carol");
            Check.True(sent.Count > 100, "there were inputs");
            Console.WriteLine(sent.Count + " inputs over " + kills + " kills");
            foreach (Client client in all) client.Close();
        }

        private static void Encrypted(string url, string token)
        {
            var stranger = new Client(new ClientOptions { Url = url, Token = token });
            Check.Until(() => stranger.Status.Why != null, "a certificate that nobody has signed is refused", stranger);
            Check.Equal("unreachable", stranger.Status.Why);
            stranger.Close();
            var client = new Client(new ClientOptions { Url = url, Token = token, CertificateValidation = (sender, certificate, chain, errors) => true });
            client.Run(async () =>
            {
                Room room = await client.Join("relay-4").Ready;
                await room.Send(new string('x', 50000));
            });
            client.Close();
        }
    }
}
