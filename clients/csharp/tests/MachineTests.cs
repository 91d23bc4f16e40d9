using System;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace Grandstand.Tests
{
    /// <summary>Moments of the machines that the scripts of the conformance suite do not reach in each run.</summary>
    internal sealed class MachineTests : IOutside
    {
        private readonly List<Peer> dialed = new List<Peer>();
        private readonly List<JsonValue> sent = new List<JsonValue>();
        private readonly List<string> told = new List<string>();
        private int wanted;
        private readonly SessionMachine machine;
        private double now;

        private MachineTests(bool hasSource)
        {
            var options = new ClientOptions { BackoffMinMs = 50, BackoffMaxMs = 100, Token = hasSource ? null : "t1" };
            if (hasSource) options.GetToken = () => Task.FromResult("never called");
            machine = new SessionMachine(options, this);
            machine.Start(0);
            if (hasSource) machine.OnToken("t1", 0);
        }

        internal static void Tests()
        {
            Check.Test("a token that is refused while the client moves does not end the move", RefusedWhileMoving);
            Check.Test("an error on the former connection does not take the room back", ErrorWhileMoving);
            Check.Test("a late `replaced` of the former connection means nothing", ReplacedLate);
            Check.Test("no input is numbered between `bad_seq` and `joined`", BadSeq);
            Check.Test("a join that takes too long is taken back", JoinTimeout);
            Check.Test("close after another end is final", CloseAfterEnd);
        }

        private static void RefusedWhileMoving()
        {
            var test = new MachineTests(true);
            test.Enter("s"); // keeps the former connection in use
            RoomMachine room = test.Move();
            test.Hear(0, "{\"type\":\"left\",\"room\":\"r\",\"code\":\"replaced\"}");
            test.machine.OnClosed(test.dialed[1], new Closed(4001, "", true), test.now);
            Check.Equal(2, test.wanted, "calls of the token function");
            test.machine.OnToken("t2", test.now);
            Check.Equal(3, test.dialed.Count, "connections");
            Check.Equal("t2", test.dialed[2].Token, "the token of the third");
            test.Welcome(2);
            test.Hear(2, "{\"type\":\"joined\",\"room\":\"r\",\"role\":\"player\",\"instance\":\"7\",\"last_seq\":0}");
            Check.Equal(test.dialed[2], room.Link, "the room's connection");
        }

        private static void ErrorWhileMoving()
        {
            foreach (string code in new[] { "bad_seq", "not_joined" })
            {
                var test = new MachineTests(false);
                RoomMachine room = test.Move();
                room.Send(new Input { Promise = new Promise(), Field = "\"data\":1" }, test.now);
                JsonValue input = test.Last("input");
                test.Hear(0, JsonValue.Object("type", "error").With("id", input["id"]).With("room", "r").With("seq", input["seq"])
                    .With("code", code).ToString());
                test.Hear(1, "{\"type\":\"joined\",\"room\":\"r\",\"role\":\"player\",\"instance\":\"7\",\"last_seq\":0}");
                Check.Equal(test.dialed[1], room.Link, code + ": the room's connection");
                Check.True(!test.Last("join").Has("since"), code + ": the last join asks for a snapshot");
                Check.Equal(2, test.Last("join")["attempt"].AsInt(), code + ": on the new connection");
            }
        }

        private static void ReplacedLate()
        {
            var test = new MachineTests(false);
            RoomMachine room = test.Move();
            test.machine.OnClosed(test.dialed[1], new Closed(1006, "", true), test.now);
            test.Hear(0, "{\"type\":\"update\",\"room\":\"r\",\"version\":9,\"prev\":8,\"data\":1}"); // a gap, which joins on the former one
            test.Hear(0, "{\"type\":\"left\",\"room\":\"r\",\"code\":\"replaced\"}");
            Check.Equal(null, room.Ended, "the end of the room");
        }

        private static void BadSeq()
        {
            var test = new MachineTests(false);
            RoomMachine room = test.Enter();
            room.Send(new Input { Promise = new Promise(), Field = "\"data\":1" }, test.now);
            test.Hear(0, JsonValue.Object("type", "error").With("id", test.Last("input")["id"]).With("room", "r").With("seq", 1)
                .With("code", "bad_seq").ToString());
            int before = test.sent.Count;
            room.Send(new Input { Promise = new Promise(), Field = "\"data\":2" }, test.now);
            Check.Equal(before, test.sent.Count, "messages before `joined`");
            test.Hear(0, "{\"type\":\"joined\",\"room\":\"r\",\"role\":\"player\",\"instance\":\"7\",\"last_seq\":4}");
            Check.Equal(5, test.Last("input")["seq"].AsInt(), "the number after `joined`");
        }

        private static void JoinTimeout()
        {
            var test = new MachineTests(false);
            test.Welcome(0);
            RoomMachine room = test.machine.Join("r", new JoinOptions { TimeoutMs = 300 }, 0);
            Check.Equal(300.0, test.machine.Deadline, "when to look");
            test.machine.Poll(300);
            Check.Equal("timeout", room.Ended.Code);
            Check.Equal("leave", test.sent[test.sent.Count - 1]["type"].AsString());
        }

        private static void CloseAfterEnd()
        {
            var test = new MachineTests(false);
            test.Enter();
            test.machine.OnClosed(test.dialed[0], new Closed(4009, "", true), test.now);
            Check.Equal("replaced", test.machine.Closed.Code);
            test.machine.Close();
            test.machine.Reconnect(test.now);
            Check.Equal(1, test.dialed.Count, "connections");
        }

        // A room on the first connection.
        private RoomMachine Enter(string name = "r")
        {
            Welcome(0);
            RoomMachine room = machine.Join(name, new JoinOptions(), now);
            Hear(0, JsonValue.Parse("{\"type\":\"joined\",\"role\":\"player\",\"instance\":\"7\",\"last_seq\":0}").With("room", name).ToString());
            Hear(0, JsonValue.Parse("{\"type\":\"snapshot\",\"epoch\":\"e\",\"version\":1,\"data\":{}}").With("room", name).ToString());
            return room;
        }

        // A room whose join on the second connection is not answered yet.
        private RoomMachine Move()
        {
            RoomMachine room = Enter();
            now = 100;
            Hear(0, "{\"type\":\"notice\",\"code\":\"draining\",\"reconnect_in_ms\":0}");
            machine.Poll(now);
            Check.Equal(2, dialed.Count, "connections");
            Welcome(1);
            Check.Equal(2, Last("join")["attempt"].AsInt(), "the attempt of the join");
            return room;
        }

        private void Welcome(int number)
        {
            Hear(number, "{\"type\":\"welcome\",\"protocol\":1,\"heartbeat_ms\":25000}");
        }

        private void Hear(int number, string message)
        {
            machine.OnFrame(dialed[number], ServerMessage.Read(message), null, now);
        }

        private JsonValue Last(string type)
        {
            return sent.FindLast(message => message["type"].AsString() == type);
        }

        public string ClientId { get { return "c"; } }

        public double Random() { return 0; }

        public void Dial(Peer peer) { dialed.Add(peer); }

        public void HangUp(Peer peer) { }

        public void Send(Peer peer, ClientMessage message) { sent.Add(JsonValue.Parse(message.ToString())); }

        public void WantToken() { wanted++; }

        public void Show(Status status) { told.Add(status.State.ToString()); }

        public void Report(GrandstandException error) { told.Add(error.Code); }

        public void TellTokenExpiring() { told.Add("token_expiring"); }

        public void OnPong(ServerMessage pong) { }

        public void Tell(RoomMachine room, RoomEvent happened) { told.Add(happened.Kind.ToString()); }

        public void Enter(RoomMachine room, GrandstandException error) { }

        public void Settle(Promise promise, GrandstandException error, long seq) { promise.Settle(error, seq); }
    }
}
