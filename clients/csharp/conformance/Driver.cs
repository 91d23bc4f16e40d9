// The driver of the conformance suite (clients/conformance/README.md): commands on stdin, events on stdout.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Grandstand.Conformance
{
    internal static class Driver
    {
        private static readonly TextWriter Out =
            new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { NewLine = "\n", AutoFlush = true };
        private static readonly ConcurrentQueue<string> Lines = new ConcurrentQueue<string>();
        private static readonly Dictionary<string, Driven> Clients = new Dictionary<string, Driven>();
        private static volatile bool isOver;

        internal static void Write(JsonValue happened)
        {
            Out.WriteLine(happened.ToString());
        }

        internal static void Unhandled(Exception error)
        {
            Write(JsonValue.Object("event", "unhandled").With("client", JsonValue.Null).With("message", error.ToString()));
        }

        private static void Main()
        {
            TaskScheduler.UnobservedTaskException += (sender, unobserved) => Unhandled(unobserved.Exception);
            Write(JsonValue.Parse("{\"event\":\"ready\",\"sdk\":\"Grandstand.Client\",\"version\":\"0.1.0\",\"encodings\":[\"json\"],"
                + "\"features\":[\"token_source\",\"hints\",\"reducer\",\"binary\"]}"));
            new Thread(Read) { IsBackground = true }.Start();
            while (!isOver || !Lines.IsEmpty)
            {
                string line;
                try
                {
                    while (Lines.TryDequeue(out line)) Handle(JsonValue.Parse(line));
                    foreach (Driven driven in Clients.Values) driven.Client.Poll();
                }
                catch (Exception error)
                {
                    Unhandled(error);
                }
                Thread.Sleep(1);
            }
        }

        private static void Read()
        {
            var input = new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false));
            for (string line = input.ReadLine(); line != null; line = input.ReadLine()) Lines.Enqueue(line);
            isOver = true;
        }

        private static void Handle(JsonValue command)
        {
            string name = command["client"].AsString();
            if (command["cmd"].AsString() == "connect")
            {
                Clients[name] = new Driven(name, command);
                return;
            }
            Task<JsonValue> answer = Clients[name].Do(command);
            if (answer == null) return;
            JsonValue result = JsonValue.Object("event", "result").With("client", name).With("id", command["id"]);
            answer.ContinueWith(done =>
            {
                if (!done.IsFaulted)
                {
                    Write(result.With("ok", true).With("value", done.Result));
                    return;
                }
                Exception cause = done.Exception.InnerException;
                JsonValue reason = Driven.Reason(cause);
                var input = cause as InputException;
                if (input != null && input.IsRejected) reason = reason.With("rejected", true);
                Write(result.With("ok", false).With("error", reason));
            }, TaskContinuationOptions.ExecuteSynchronously);
        }
    }

    /// <summary>One client, with the rooms and token calls that commands name.</summary>
    internal sealed class Driven
    {
        private static int calls;
        private readonly string name;
        private readonly Dictionary<string, Room> rooms = new Dictionary<string, Room>();
        private readonly Dictionary<int, TaskCompletionSource<string>> wanted = new Dictionary<int, TaskCompletionSource<string>>();

        internal Driven(string name, JsonValue command)
        {
            this.name = name;
            var options = new ClientOptions
            {
                Url = command["url"].AsString(),
                Token = command["token"].AsString(null),
                MaxAttempts = command["attempts"].AsInt(),
            };
            options.BackoffMinMs = command["backoff"]["min_ms"].AsDouble(options.BackoffMinMs);
            options.BackoffMaxMs = command["backoff"]["max_ms"].AsDouble(options.BackoffMaxMs);
            options.ConnectTimeoutMs = command["connect_timeout_ms"].AsInt(options.ConnectTimeoutMs);
            if (command["token_source"].AsBool()) options.GetToken = WantToken;
            Client = new Client(options);
            Client.StatusChanged += status => Tell("status", JsonValue.Object("status", status.State.ToString().ToLowerInvariant())
                .With("why", status.Error == null ? JsonValue.Null : Reason(status.Error)));
            Client.ProblemFound += error =>
            {
                JsonValue fields = Reason(error);
                if (error.Room != null) fields = fields.With("room", error.Room);
                if (error.Seq != null) fields = fields.With("seq", error.Seq.Value);
                Tell("error", fields);
            };
            Client.TokenExpiring += () => Tell("token_expiring", JsonValue.EmptyObject);
        }

        internal Client Client { get; }

        internal static JsonValue Reason(Exception error)
        {
            var typed = error as GrandstandException;
            return JsonValue.Object("code", typed == null ? "not_typed" : typed.Code).With("message", error.Message);
        }

        /// <summary>Does what a command says. Returns null if the command has no answer.</summary>
        internal Task<JsonValue> Do(JsonValue command)
        {
            switch (command["cmd"].AsString())
            {
                case "join": return Join(command);
                case "send": return Send(command);
                case "leave": return Leave(command);
                case "set_token": return Done(Client.SetToken(command["token"].AsString()));
                case "close":
                    Client.Close();
                    return Task.FromResult(JsonValue.EmptyObject);
                case "live":
                    Room found;
                    if (rooms.TryGetValue(command["room"].AsString(), out found)) found.Live(Input(command));
                    return null;
                case "reconnect":
                    Client.Reconnect();
                    return null;
                case "hint":
                    Client.Hint((Hint)Enum.Parse(typeof(Hint), command["hint"].AsString(), true));
                    return null;
                case "token":
                    TaskCompletionSource<string> call = wanted[command["call"].AsInt()];
                    if (command["error"].IsNull) call.TrySetResult(command["token"].AsString());
                    else call.TrySetException(new InvalidOperationException(command["error"].AsString()));
                    return null;
                default: throw new InvalidOperationException("an unknown command: " + command);
            }
        }

        private Task<string> WantToken()
        {
            int call = Interlocked.Increment(ref calls);
            wanted[call] = new TaskCompletionSource<string>();
            Tell("token_wanted", JsonValue.Object("call", call));
            return wanted[call].Task;
        }

        // The suite wants the role once `joined` is there; `Ready` waits for the first state, too.
        private Task<JsonValue> Join(JsonValue command)
        {
            string name = command["room"].AsString();
            var options = new JoinOptions
            {
                Role = command["role"].AsString(null),
                Params = command["params"],
                Token = command["token"].AsString(null),
                TimeoutMs = 0,
            };
            if (command["reducer"].AsString() == "sum")
                options.Reducer = (state, update) => JsonValue.Object("sum", state["sum"].AsDouble() + update["add"].AsDouble());
            var joined = new TaskCompletionSource<JsonValue>();
            Room room = Client.Join(name, options);
            room.Ready.ContinueWith(done => joined.TrySetException(done.Exception.InnerException),
                CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
            room.Joined += there =>
            {
                rooms[name] = there;
                joined.TrySetResult(JsonValue.Object("role", there.Role));
            };
            room.Snapshot += (data, at) => Tell("snapshot", Data(data).With("version", at.Version).With("epoch", at.Epoch), room);
            room.Updated += (data, at) => Tell("update", Data(data).With("version", at.Version).With("prev", at.Prev), room);
            room.Changed += state =>
                Tell("change", JsonValue.Object("state", state.Kind == JsonKind.Bytes ? JsonValue.Null : state), room);
            room.Direct += data => Tell("direct", Data(data), room);
            room.LiveReceived += data => Tell("live", Data(data), room);
            room.PresenceChanged += presence => Tell("presence", People(presence), room);
            room.Rejected += error => Tell("reject", Reason(error).With("seq", error.Seq.Value), room);
            room.Left += error => Tell("left", JsonValue.Object("code", error.Code), room);
            return joined.Task;
        }

        private async Task<JsonValue> Send(JsonValue command)
        {
            await Find(command).Send(Input(command));
            return JsonValue.EmptyObject;
        }

        private async Task<JsonValue> Leave(JsonValue command)
        {
            await Find(command).Leave();
            return JsonValue.EmptyObject;
        }

        private static async Task<JsonValue> Done(Task task)
        {
            await task;
            return JsonValue.EmptyObject;
        }

        private Room Find(JsonValue command)
        {
            Room room;
            if (rooms.TryGetValue(command["room"].AsString(), out room)) return room;
            throw new InvalidOperationException(command["room"] + " is not joined");
        }

        private void Tell(string kind, JsonValue fields, Room room = null)
        {
            fields = fields.With("event", kind).With("client", name);
            Driver.Write(room == null ? fields : fields.With("room", room.Name));
        }

        private static JsonValue People(Presence presence)
        {
            JsonValue people = JsonValue.Object("viewers", presence.Viewers);
            if (presence.Players == null) return people.With("player_count", presence.PlayerCount);
            var players = new List<JsonValue>();
            foreach (PlayerPresence player in presence.Players)
                players.Add(JsonValue.Object("id", player.Id).With("state", player.IsConnected ? "connected" : "lost"));
            return people.With("players", JsonValue.Array(players.ToArray()));
        }

        private static JsonValue Input(JsonValue command)
        {
            return command.Has("data_b64") ? JsonValue.Bytes(Convert.FromBase64String(command["data_b64"].AsString())) : command["data"];
        }

        private static JsonValue Data(JsonValue value)
        {
            return value.Kind == JsonKind.Bytes ? JsonValue.Object("data_b64", Convert.ToBase64String(value.AsBytes()))
                : JsonValue.Object("data", value);
        }
    }
}
