package lab_test
import ("testing";"os";"github.com/drawbridge-l2/drawbridge/lab";"time")
func TestDbg(t *testing.T){
 b:=start(t,os.Getenv("ENG"),lab.Config{})
 _,err:=b.Host("acme",0).Ping(b.VM("acme",0,0).IPv4.Addr(),2*time.Second)
 t.Log(err)
 o:=b.daemon.Run("status","-o","json"); t.Log(o.Stdout)
 o=b.daemon.Run("status"); t.Log(o.Stdout)
 t.Log(b.daemon.Run("macs").Stdout)
 for _,n:=range []*lab.NS{b.Gateway.NS}{ o,_:=n.Output("sh","-c","ip -s link; ip neigh; bpftool net; ip -d link show type vxlan; tc filter show dev eth2 ingress; ls -R /sys/fs/bpf/drawbridge/ | head -60"); t.Log(n.Role,o)}
}
