// kubectl is the real kubectl, built from its module, so that the manifests
// under deploy/ are applied the way an operator applies them.
package main

import (
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err) // prints it the way kubectl does and exits 1
	}
}
