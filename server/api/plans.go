package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/billing/plan"
)

type (
	planInput struct {
		Name string `path:"name" doc:"Name of the plan."`
	}
	putPlanInput struct {
		Name string `path:"name" doc:"Name of the plan: 1 to 63 of a-z, 0-9, \"_\" and \"-\"."`
		Plan body
	}
	planOutput  struct{ Body plan.Plan }
	plansOutput struct {
		Body struct {
			Plans []plan.Plan `json:"plans" nullable:"false" doc:"In the order of their names."`
		}
	}
)

func (a *api) planRoutes() {
	tags := []string{"Plans"}
	handle(a, account.ReadPlans, huma.Operation{
		Method: http.MethodGet, Path: "/v1/plans", OperationID: "listPlans", Tags: tags,
		Summary:     "List the plans",
		Description: "Any API key may.",
	}, a.listPlans)
	handle(a, account.ReadPlans, huma.Operation{
		Method: http.MethodGet, Path: "/v1/plans/{name}", OperationID: "getPlan", Tags: tags,
		Summary:     "Get a plan",
		Description: "Any API key may. PUT accepts this answer unchanged.",
	}, a.getPlan)
	handle(a, account.WritePlans, huma.Operation{
		Method: http.MethodPut, Path: "/v1/plans/{name}", OperationID: "putPlan", Tags: tags,
		Summary: "Make or replace a plan",
		Description: "Needs the root key. Workspaces on the plan are held to it within 10 seconds on all servers. " +
			"A plan that is in the file of `--plans` can't be changed here: 409 `CONFLICT`.",
		RequestBody: jsonBody("Plan", "All of the plan. Fields that are left out get their default.", "application/json"),
	}, a.putPlan)
	handle(a, account.WritePlans, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/plans/{name}", OperationID: "deletePlan", Tags: tags,
		Summary:       "Delete a plan",
		Description:   "Needs the root key. While a workspace is on the plan, the answer is 409 `CONFLICT`, and so it is for a plan of the file of `--plans`.",
		DefaultStatus: http.StatusNoContent,
	}, a.deletePlan)
}

func (a *api) listPlans(ctx context.Context, _ *struct{}) (out *plansOutput, err error) {
	out = &plansOutput{}
	out.Body.Plans, err = a.manage.Plans(ctx, caller(ctx))
	return out, err
}

func (a *api) getPlan(ctx context.Context, in *planInput) (*planOutput, error) {
	p, err := a.manage.PlanNamed(ctx, caller(ctx), in.Name)
	return &planOutput{p}, err
}

func (a *api) putPlan(ctx context.Context, in *putPlanInput) (*planOutput, error) {
	var p plan.Plan
	if err := in.Plan.decode(&p); err != nil {
		return nil, err
	}
	p, err := a.manage.PutPlan(ctx, caller(ctx), in.Name, p)
	return &planOutput{p}, err
}

func (a *api) deletePlan(ctx context.Context, in *planInput) (*struct{}, error) {
	return nil, a.manage.DeletePlan(ctx, caller(ctx), in.Name)
}
